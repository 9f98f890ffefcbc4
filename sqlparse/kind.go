package sqlparse

// Kind is what a statement that removes rows, or may, is called in SQL; "" if it has no
// name of its own.
func (s *Statement) Kind() string {
	switch {
	case s.Update != nil:
		return "UPDATE"
	case s.Detach:
		return "DETACH PARTITION"
	case s.DropsColumn:
		return "DROP COLUMN"
	}
	switch s.Verb {
	case Delete:
		return "DELETE"
	case Truncate:
		return "TRUNCATE"
	case Drop:
		return "DROP"
	case Merge:
		return "MERGE"
	case Do:
		return "DO"
	case Call:
		return "CALL"
	}
	return ""
}
