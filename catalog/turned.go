package catalog

// Turned reports whether something that there was before, and that could not delete when
// it was called or read, may now. What was planned before may use it under any name; what
// is new it cannot, but by name, and then what names it has turned.
func (s *Snapshot) Turned(was *Snapshot) bool {
	for n := range s.taint {
		if _, before := was.taint[n]; !before && was.had(n) {
			return true
		}
	}
	return s.Reach.Everything != "" && s.Reach.Everything != was.Reach.Everything
}

// had reports whether there was something to call or read. Of types nothing is known.
func (s *Snapshot) had(n node) bool {
	switch n.kind {
	case function:
		return s.functions[n.oid]
	case reading:
		return s.Tables[n.oid] != nil
	}
	return n.kind == typing
}
