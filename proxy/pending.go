package proxy

// pending is what the server still has to answer: the types of the client's
// messages, oldest first, and the state in which the server reads the next one.
// It does no I/O; it is told what was sent (push) and what came back (answer).
//
// It takes a byte for each unanswered message, which takes five on the wire, so
// it is bounded by what is under way.
//
// Limit: a Sync that the client sent ahead of its COPY data is taken as ignored,
// as servers do; a server that fails after CopyInResponse and before it reads
// that Sync (a BEFORE STATEMENT trigger) answers it all the same.
type pending struct {
	queue      []byte // unanswered Q P B D E C S F; also c and f that came before their CopyInResponse
	first      int    // queue[first:] is live
	discarding bool   // after an error: the server ignores all it reads up to the next Sync
	copyIn     bool   // the server reads COPY data; it ignores Sync and Flush
	begun      bool   // messages up to whose Sync a transaction may be open have been sent
	ignored    bool   // a Sync was ignored amid the COPY data of an Execute, and nothing has ended the exchange since
	unsure     bool   // … and that COPY has failed: if before the server read the Sync, it goes on behind that
	tx         byte   // status of the last ReadyForQuery
	closing    bool   // Terminate was sent: the server closes the connection
}

// push notes a message sent to the server.
func (p *pending) push(typ byte) {
	switch typ {
	case 'Q', 'P', 'B', 'D', 'E', 'C', 'F':
		p.begun = p.begun || typ != 'Q' && typ != 'F'
		if p.discarding {
			return
		}
		if p.copyIn { // a violation, which ends it: an error follows, and nothing else; and a Sync is none of its data
			p.copyIn = false
			return
		}
	case 'S':
		if p.copyIn {
			p.ignore()
			return
		}
		p.discarding, p.unsure = false, false
	case 'c', 'f':
		if p.copyIn || p.head() == 0 {
			p.copyIn = false
			return
		}
	case 'X':
		p.closing = true
		return
	default:
		return
	}
	if p.first > 0 && len(p.queue) == cap(p.queue) {
		p.queue = p.queue[:copy(p.queue, p.queue[p.first:])]
		p.first = 0
	}
	p.queue = append(p.queue, typ)
}

// answer notes a message of the server; status is the body's first byte.
func (p *pending) answer(typ, status byte) {
	switch typ {
	case '1':
		p.pop('P')
	case '2':
		p.pop('B')
	case '3':
		p.pop('C')
	case 'T', 'n':
		p.pop('D')
	case 'C', 'I', 's':
		p.pop('E')
	case 'G':
		p.beginCopyIn()
	case 'E':
		p.fail()
	case 'Z':
		p.ready(status)
	}
}

// head is the oldest unanswered message, 0 if there is none. CopyDone and
// CopyFail outside of a COPY are ignored by servers: never answered.
func (p *pending) head() byte {
	for p.first < len(p.queue) {
		if t := p.queue[p.first]; t != 'c' && t != 'f' {
			return t
		}
		p.first++
	}
	p.queue, p.first = p.queue[:0], 0
	return 0
}

func (p *pending) pop(typ byte) {
	if p.head() == typ {
		p.first++
	}
}

// beginCopyIn: the message at the head has begun to read COPY data. It will
// take what was sent since, and ignore each Sync, up to CopyDone or CopyFail.
func (p *pending) beginCopyIn() {
	if p.head() == 0 {
		return
	}
	p.copyIn = true
	i := p.first + 1
	for ; i < len(p.queue) && p.copyIn; i++ {
		switch p.queue[i] {
		case 'S':
			p.ignore()
		case 'c', 'f':
			p.copyIn = false
		default: // a violation: see push
			p.copyIn = false
		}
	}
	p.queue = append(p.queue[:p.first+1], p.queue[i:]...)
}

// ignore notes a Sync that the server ignores. A Query that copies ends its exchange itself.
func (p *pending) ignore() { p.ignored = p.ignored || p.head() == 'E' }

// fail: the message at the head has failed. ReadyForQuery follows a failed
// Query, FunctionCall or Sync; after any other all is discarded up to the next Sync.
func (p *pending) fail() {
	p.unsure = p.unsure || p.copyIn && p.ignored
	p.copyIn = false
	switch p.head() {
	case 0: // between messages, as statement_timeout does: what comes is discarded as well
		p.discarding = p.begun
		return
	case 'Q', 'F', 'S':
		return
	}
	for ; p.first < len(p.queue); p.first++ {
		if p.queue[p.first] == 'S' {
			return
		}
	}
	p.queue, p.first, p.discarding = p.queue[:0], 0, true
}

func (p *pending) ready(status byte) {
	p.tx, p.copyIn, p.unsure = status, false, false
	p.ignored = p.ignored && status == 'T' // a Query or a FunctionCall may end nothing
	defer func() { p.begun = p.begun && !p.quiet() }()
	for p.first < len(p.queue) {
		t := p.queue[p.first]
		p.first++
		if t == 'S' {
			p.ignored = false
		}
		if t == 'Q' || t == 'S' || t == 'F' {
			return
		}
	}
	p.discarding = false // a Sync that was not counted
}

// quiet reports whether all that was sent is answered.
func (p *pending) quiet() bool { return p.head() == 0 }

// needFlush reports whether answers may be held back in the server's buffer.
func (p *pending) needFlush() bool {
	if p.quiet() {
		return false
	}
	switch p.queue[len(p.queue)-1] {
	case 'Q', 'S', 'F':
		return false
	}
	return true
}

// idle reports whether the session could end now without taking anything away
// from the client.
func (p *pending) idle() bool { return p.quiet() && !p.begun && !p.discarding && p.tx == 'I' }
