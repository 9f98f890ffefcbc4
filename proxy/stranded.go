package proxy

// A primary that can no longer be reached leaves its sessions waiting, for minutes at
// least, and what they were about to commit in doubt. Once another host is the primary
// nothing of it is to come any more: they are ended. Before PostgreSQL 14 servers do
// not say what they are, and keepAlive has to find out.

// isPrimary is what a server says of in_hot_standby that is none.
const isPrimary = "off"

var errReplaced = &clientError{code: codeConnectionFailure, message: "the database server cannot be reached any more, and another one has taken its place",
	hint: "Connect again. Whether what was about to commit did has to be looked up."}

// board notes a session of host i, until disembark.
func (r *roles) board(i int, s *relay) {
	if s.opening.standby != isPrimary {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aboard[i][s] = struct{}{}
}

func (r *roles) disembark(s *relay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, aboard := range r.aboard {
		delete(aboard, s)
	}
}

// stranded are the sessions of hosts that do not have the role, where another one is
// the primary. r.mu is held.
func (r *roles) stranded() (all []*relay) {
	for _, is := range r.are {
		if is.fit == unfit || is.standby != isPrimary {
			continue
		}
		for i, other := range r.are {
			if other.asked && other.fit == unfit {
				for s := range r.aboard[i] {
					all = append(all, s)
				}
			}
		}
		break
	}
	return all
}
