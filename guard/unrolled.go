package guard

import (
	"context"
	"errors"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// unrolled is a simple Query under way as a series of statements.
type unrolled struct {
	s       *session
	w       proxy.Wire
	block   bool // a transaction block is open
	aborted bool // … and has failed
	// several: it has more than one statement, so the server would open a transaction
	// block of its own kind for it. begun: where it runs, that is open by now.
	several, begun bool
	called         bool // it is a FunctionCall, which leaves the unnamed statement and portal alone
	// completion of the last statement: held back, because it is not complete
	// until an implicit transaction has committed.
	completion *completion
}

type completion struct {
	typ  byte
	body []byte
}

// complete holds a statement's completion back.
func (u *unrolled) complete(typ byte, body []byte) {
	u.completion = &completion{typ, append([]byte(nil), body...)}
}

// release sends what is held back.
func (u *unrolled) release() error {
	c := u.completion
	if u.completion = nil; c == nil {
		return nil
	}
	return u.w.Reply(c.typ, c.body)
}

func (u *unrolled) statement(ctx context.Context, st judged) error {
	if err := u.release(); err != nil {
		return err
	}
	defer func() {
		u.s.ran, u.s.hasRun = u.s.exchange, true
		u.s.sets.with++
		u.s.sets.before = u.s.sets.with
	}()
	if u.s.block = -1; u.block {
		u.s.block = 1
	}
	if u.s.ran == u.s.exchange && !u.aborted {
		if err := u.look(ctx, &st); err != nil {
			return err
		}
	}
	if err := u.respelt(ctx, st); err != nil {
		return err
	}
	if !u.aborted && u.s.hazard() { // it may be of an earlier statement
		st = st.fetches()
	}
	switch {
	case st.Params: // there are none in a simple Query
		return u.refused(ctx, st)
	case st.route == routeControl:
		return u.control(ctx, st)
	case u.aborted:
		return u.plain(ctx, st)
	}
	if err := u.lead(ctx); err != nil {
		return err
	}
	if u.several { // SET LOCAL and SET CONSTRAINTS are of use: see lead
		defer u.w.Unmute(u.w.Mute(noBlock))
	}
	if st.route == routePlain || !u.several && u.s.misplaced(u.w, st) {
		return u.plain(ctx, st)
	}
	r, err := u.s.guarded(ctx, u.w, st, func() ([]byte, error) { return u.describe(ctx, st) })
	if err != nil {
		return err
	}
	if r == nil {
		return u.plain(ctx, st)
	}
	if r.st.mayCommit() && !u.several { // else it may not
		if r.early, err = u.s.readEarly(ctx, u.w, st); err != nil {
			return err
		}
	}
	r.rowdesc, r.shift, r.closed = true, st.runes, func(ctx context.Context) error { return u.closed(ctx, st) }
	sql, bind := st.Text, bindText("", "")
	if r.capturing() {
		sql, bind = r.plan.captured.SQL, bindFormats("", "", r.plan.formats(st, nil))
		r.shift -= r.plan.captured.Shift
	}
	err = r.bracket(ctx, func() {
		u.send(st, sql, bind)
	})
	if err != nil {
		if u.block && r.capturing() && errors.Is(err, errFailed) && !errors.Is(err, errUnbound) {
			u.s.portals.set("", &portal{prepared: &prepared{st: st}, plan: r.plan, done: true}) // what the client may describe
		}
		return err
	}
	u.s.changed(st)
	u.complete(r.end, append([]byte(r.commandTag()), 0))
	return nil
}

// look judges a statement by what the catalog is now: an earlier one, or another session,
// may have changed it. As between messages it is not looked at where that is nothing to the
// statement (unaffected.go), nor before what must come before any snapshot.
func (u *unrolled) look(ctx context.Context, st *judged) error {
	s := u.s
	stale := s.stale() // takes the view in force
	s.judge(st)
	if !stale || st.Verb == sqlparse.Begin || sqlparse.Snapshotless([]byte(st.Text)) || !s.redefined && s.db.reaches(s.view) && st.unaffected() {
		return nil
	}
	s.wasClean = false
	if err := s.refresh(ctx, u.w); err != nil {
		return err
	}
	s.judge(st)
	return nil
}

// judge is what is known of a statement by the view in force, the rules and the session's
// temporary tables.
func (s *session) judge(st *judged) {
	s.view.judge(st)
	s.rules.police(st)
	s.temps.judge(st)
}

// lead has the server begin the block of a Query of several statements, which decides
// what LOCK TABLE, VACUUM, SET LOCAL and others do: in the extended protocol it does so
// for the second statement since a Sync, from PostgreSQL 18 on. Before, some of them
// are refused or run as in a pipeline. This one needs no snapshot.
func (u *unrolled) lead(ctx context.Context) error {
	if u.begun || u.block || !u.several {
		return nil
	}
	u.begun = true
	_, err := lookup{w: u.w}.Query(ctx, "SHOW transaction_isolation")
	if errors.Is(err, errServer) {
		return u.s.fault(u.w, err)
	}
	return err
}

// send sends a statement so that nothing of it stays behind, as after a Query.
func (u *unrolled) send(st judged, sql string, bind []byte) {
	u.w.Send('P', parseBody("", sql, nil))
	u.w.Send('B', bind)
	u.w.Send('D', target('P', ""))
	u.w.Send('C', target('S', "")) // the portal lives on without it
	u.w.Send('E', executeBody(""))
	if !st.CopyIn { // while it goes on the server takes nothing else
		u.w.Send('C', target('P', ""))
	}
}

// closed reads what the server answers to send behind the statement's end. errServer: a
// cancel request came just then.
func (u *unrolled) closed(ctx context.Context, st judged) error {
	if st.CopyIn {
		return nil
	}
	return receiveClosed(ctx, u.w)
}

// refused runs a statement that the server cannot but refuse, as the Query it
// is, for the server's own words. That ends the whole exchange.
func (u *unrolled) refused(ctx context.Context, st judged) error {
	u.w.Send('Q', append([]byte(st.Text), 0))
	for {
		typ, body, err := u.w.Receive(ctx)
		if err != nil {
			return err
		}
		if typ == 'E' {
			body = shiftPosition(body, st.runes)
		}
		if err := u.w.Reply(typ, body); err != nil {
			return err
		}
		if typ == 'Z' {
			if u.s.lingers = false; !u.block {
				u.s.drop()
			}
			return errEnded
		}
	}
}

// errEnded: the client has been told that the server is ready.
var errEnded = errors.New("exchange has ended")

// plain runs a statement that needs no judging.
func (u *unrolled) plain(ctx context.Context, st judged) (err error) {
	asks := false
	if !u.aborted {
		if asks, err = u.s.vouch(ctx, u.w, st); err != nil {
			return err
		}
	}
	u.send(st, st.Text, bindText("", ""))
	u.w.Send('H', nil)
	_, err = answers(ctx, u.w, st, func(typ byte, body []byte) error {
		u.complete(typ, body)
		return nil
	})
	u.s.finished(ctx, err)
	if err != nil {
		return err
	}
	u.s.changed(st)
	if err := u.cut(u.closed(ctx, st)); err != nil || !asks {
		return err
	}
	return u.s.goesOn(ctx, u.w)
}

// cut is what closed has met: an error that a cancel request has caused is the client's.
func (u *unrolled) cut(err error) error {
	if errors.Is(err, errServer) {
		return u.s.fault(u.w, err)
	}
	return err
}

// answers passes a statement's answers on, its completion to complete, and
// returns its tag.
func answers(ctx context.Context, w proxy.Wire, st judged, complete func(typ byte, body []byte) error) (string, error) {
	var fields []byte // a RowDescription, held until the first row: see Statement.Streams
	var step bindStep
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return "", err
		}
		switch {
		case typ == 'T' && !st.Streams:
			fields = append([]byte(nil), body...)
			continue
		case typ == '1', typ == '2', typ == '3', typ == 'n', typ == 't':
			step.answered(typ)
			continue
		}
		if fields != nil && typ != 'E' {
			if err := w.Reply('T', fields); err != nil {
				return "", err
			}
			fields = nil
		}
		switch typ {
		case 'C', 'I', 's':
			tag, _, _ := cut(body)
			// An answer to COMMIT counts even if the client is gone.
			if err := complete(typ, body); err != nil && st.route != routeControl {
				return "", err
			}
			return string(tag), nil
		case 'E':
			body = shiftPosition(body, st.runes)
		}
		if err := w.Reply(typ, body); err != nil && st.route != routeControl {
			return "", err
		}
		switch typ {
		case 'E':
			return "", step.failed()
		case 'G':
			if err := w.CopyIn(ctx); err != nil {
				return "", err
			}
		}
	}
}

// describe returns the RowDescription of a statement as the client wrote it.
func (u *unrolled) describe(ctx context.Context, st judged) ([]byte, error) {
	return describeStatement(ctx, u.w, st.Text, nil)
}

// control runs BEGIN, COMMIT and the like.
func (u *unrolled) control(ctx context.Context, st judged) error {
	if st.Verb == sqlparse.PrepareTransaction && u.several && !u.block && !blocksPipelines(u.w) {
		return u.s.refuse(ctx, u.w, prepareError())
	}
	e, err := u.s.beforeControl(ctx, u.w, st, u.aborted)
	if err != nil {
		return err
	}
	u.send(st, st.Text, bindText("", ""))
	u.w.Send('H', nil)
	tag, err := answers(ctx, u.w, st, u.w.Reply)
	if err != nil && !errors.Is(err, errFailed) {
		return err
	}
	if cerr := u.s.afterControl(ctx, st, tag, e, err != nil); cerr != nil {
		return cerr
	}
	if err != nil {
		return err
	}
	switch st.Verb {
	case sqlparse.Begin:
		u.block = true
	case sqlparse.Commit, sqlparse.Rollback, sqlparse.PrepareTransaction:
		u.block, u.aborted, u.begun = st.Chain, false, false
	case sqlparse.RollbackTo:
		u.aborted = false
	}
	return u.cut(u.closed(ctx, st)) // the client has the statement's completion by now, as before an error at Sync
}

// end sends the Sync of an unrolled Query: held until the evidence is durable
// if it commits an implicit transaction.
func (u *unrolled) end(ctx context.Context, why error) error {
	s, failed := u.s, why != nil
	u.w.Trail("AS") // before PostgreSQL 14 it tells of a setting as it is set
	if s.block = -1; u.block {
		s.block = 1
	}
	if !failed && !u.block {
		err := s.lookAtEnd(ctx, u.w)
		if failed = errors.Is(err, errFailed); err != nil && !failed {
			return err
		}
	}
	if s.tx != nil && !u.block {
		if !failed {
			return s.commitImplicit(ctx, u.w, 'S', nil, u.release)
		}
		s.drop()
	}
	s.lingers = false
	if s.tx != nil {
		s.tx.implicit = false
	}
	if failed {
		s.litter = false
		left := [][]byte{target('S', private)}
		if !u.called {
			left = append(left, target('S', ""))
		}
		if errors.Is(why, errUnbound) && !u.called { // its portal is there, with nothing in it, for as long as the block
			left = append(left, target('P', ""))
		}
		return closeUp(ctx, u.w, left...)
	}
	u.w.Send('S', nil)
	if u.completion == nil && s.prepares == nil {
		return nil
	}
	for { // the Sync may fail the implicit transaction
		typ, body, err := u.w.Receive(ctx)
		if err != nil {
			return err
		}
		switch typ {
		case 'E':
			u.completion = nil
		case 'Z':
			body = append([]byte(nil), body...)
			if err := s.sawPrepared(ctx, u.w); err != nil {
				return err
			}
			if err := u.release(); err != nil {
				return err
			}
		}
		if err := u.w.Reply(typ, body); err != nil || typ == 'Z' {
			return err
		}
	}
}
