package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// run is one guarded statement under way: sent between two readings of the
// counters, its completion held back until the verdict.
type run struct {
	s    *session
	w    proxy.Wire
	st   judged
	plan *plan // nil: no DELETE, counted over all tables

	shift    int                // added to error positions
	deferred bool               // it fires deferred triggers; see fireDeferred
	binding  bool               // it is a Bind: what is called while the statement is planned
	rowdesc  bool               // simple protocol: a RowDescription goes to the client
	fields   []byte             // the RowDescription, until the first row
	rows     func([]byte) error // takes the client's rows; nil: they go to the client

	before, after counts
	direct        int64            // rows of step 0
	captured      map[uint32]int64 // removed rows with keys, by tableoid
	index         map[place]int    // to removals.tables
	unknown       []string         // tables whose rows went uncounted
	taken         map[uint32]bool  // tables whose rows were noted beforehand (TRUNCATE, DROP)

	end  byte   // 'C' CommandComplete, 's' PortalSuspended, 'I' EmptyQueryResponse, 'E' ErrorResponse
	tag  []byte // body of end
	mark savepoint
}

// bracket sends the counters' first reading, the statement's own messages, and
// the second reading, and reads all answers. Nothing of the statement's end has
// reached the client when it returns. errFailed: it failed, the client has
// been told, and the server discards messages up to Sync.
func (r *run) bracket(ctx context.Context, send func()) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	q := r.countsQuery()
	sendQuery(r.w, q)
	send()
	if !r.st.CopyIn { // inside COPY FROM STDIN the server takes nothing else
		sendQuery(r.w, q)
	}
	r.w.Send('H', nil)
	var err error
	if r.before, err = receiveCounts(ctx, r.w); err != nil {
		return r.fault(err)
	}
	if err := r.receive(ctx); err != nil {
		return err
	}
	if r.st.CopyIn {
		sendQuery(r.w, q)
		r.w.Send('H', nil)
	}
	if r.after, err = receiveCounts(ctx, r.w); err != nil {
		return r.fault(err)
	}
	if r.renamed() || r.outdated() {
		r.s.epoch++
		if err := r.s.tx.rewind(r.mark); err != nil {
			return err
		}
		return r.s.refuse(ctx, r.w, changedError())
	}
	return r.verdict(ctx)
}

// renamed reports whether the statement's target is not the one that it was
// planned for. A name that was changed in sight is the plan's to know.
func (r *run) renamed() bool {
	p := r.plan
	return p != nil && p.target != nil && p.epoch == r.s.epoch && r.before.target != p.target.OID
}

// outdated reports whether what hangs on the target has changed since the
// catalog was read: a foreign key, trigger, rule or partition made elsewhere.
func (r *run) outdated() bool {
	p := r.plan
	if p == nil || p.signature == "" || p.depends == r.after.depends {
		return false
	}
	r.s.db.outdated.Store(true)
	r.s.db.due.Store(true)
	return true
}

// begin makes sure that evidence can be kept and marks where the statement starts.
func (r *run) begin(ctx context.Context) error {
	if r.captured != nil {
		return nil
	}
	if err := r.s.evidenceReady(ctx); err != nil {
		return r.s.refuse(ctx, r.w, noEvidenceError(err.Error()))
	}
	r.mark = r.s.open(r.w).mark("")
	r.captured = map[uint32]int64{}
	return nil
}

func (r *run) countsQuery() string {
	if r.plan == nil {
		return countsQuery(sqlparse.Name{}, "NULL", nil, true)
	}
	signature := "NULL"
	if r.plan.signature != "" {
		signature = r.plan.signature
	}
	return countsQuery(r.st.Target, signature, r.plan.touched, r.plan.all)
}

// fault reports a failed query of rowback's own, and forgets what the statement did.
func (r *run) fault(err error) error {
	if !errors.Is(err, errServer) {
		return err
	}
	if err := r.s.tx.rewind(r.mark); err != nil {
		return err
	}
	return r.s.fault(r.w, err)
}

// capturing: the statement was sent in captured form.
func (r *run) capturing() bool { return r.plan != nil && r.plan.count == "" }

// receive reads the statement's own answers.
func (r *run) receive(ctx context.Context) error {
	for {
		typ, body, err := r.w.Receive(ctx)
		if err != nil {
			return err
		}
		switch typ {
		case '2':
			if r.binding {
				return r.w.Reply(typ, body)
			}
		case '1', '3', 'n', 't':
		case 'T':
			if r.fields, err = r.describe(body); err != nil {
				return err
			}
			if r.st.Streams {
				err = r.described()
			}
			if err != nil {
				return err
			}
		case 'D':
			if err := r.row(body); err != nil {
				return err
			}
		case 'C', 's', 'I':
			if err := r.described(); err != nil {
				return err
			}
			r.end, r.tag = typ, append([]byte(nil), body...)
			return nil
		case 'E':
			r.end = 'E'
			r.s.epoch++ // in case the plan is out of date
			if err := r.s.tx.rewind(r.mark); err != nil {
				return err
			}
			if r.deferred {
				body = withoutConstraints(body)
			}
			if err := r.w.Reply('E', r.clientError(body)); err != nil {
				return err
			}
			return errFailed
		case 'G':
			if err := r.w.Reply(typ, body); err != nil {
				return err
			}
			if err := copyIn(ctx, r.w); err != nil {
				return err
			}
		default: // COPY out
			if err := r.w.Reply(typ, body); err != nil {
				return err
			}
		}
	}
}

// copyIn passes the client's COPY data on until its end.
func copyIn(ctx context.Context, w proxy.Wire) error {
	for {
		typ, body, err := w.ReadClient(ctx)
		if err != nil {
			return err
		}
		switch typ {
		case 'd':
			w.Send(typ, body)
		case 'c', 'f':
			w.Send(typ, body)
			w.Send('H', nil)
			return nil
		case 'H', 'S': // the server ignores them here
		default:
			return fmt.Errorf("%w: message %q during COPY", errMalformed, typ)
		}
	}
}

// describe is the client's part of a RowDescription, nil if it is not to see one.
func (r *run) describe(body []byte) ([]byte, error) {
	switch {
	case !r.rowdesc, r.capturing() && !r.st.Returning:
		return nil, nil
	case !r.capturing():
		return append([]byte(nil), body...), nil
	case r.plan.captured.Wrapped:
		return r.plan.fields, nil
	}
	first, _, err := firstFields(body, r.plan.captured.Width)
	return first, err
}

// described sends the RowDescription held back; see Statement.Streams.
func (r *run) described() error {
	f := r.fields
	if r.fields = nil; f == nil {
		return nil
	}
	return r.w.Reply('T', f)
}

// row takes the captured columns off a row and passes on what is the client's.
func (r *run) row(body []byte) error {
	if !r.capturing() {
		return r.client(body)
	}
	cols, err := columns(body)
	if err != nil {
		return err
	}
	own := len(cols) - r.plan.captured.Width
	if own < 0 {
		return fmt.Errorf("%w: %d columns of a captured row", errMalformed, len(cols))
	}
	n, err := r.capture(cols[own:])
	if err != nil {
		return err
	}
	if n == 0 && r.st.Returning {
		return r.client(firstColumns(cols, own))
	}
	return nil
}

func (r *run) client(body []byte) error {
	if err := r.described(); err != nil {
		return err
	}
	if r.rows != nil {
		return r.rows(body)
	}
	return r.w.Reply('D', body)
}

// clientError is an error of the captured form as that of the client's own
// statement.
func (r *run) clientError(body []byte) []byte {
	body = shiftPosition(body, r.shift)
	if r.capturing() && r.plan.captured.Wrapped {
		body = asDelete(body)
	}
	return body
}

// commandTag is what the client's own statement would have answered.
func (r *run) commandTag() string {
	if r.capturing() && r.plan.captured.Wrapped {
		return fmt.Sprintf("DELETE %d", r.direct)
	}
	return strings.TrimSuffix(string(r.tag), "\x00")
}

// verdict compares the readings, judges, and either notes the statement in the
// transaction or refuses it. The client's completion is still to be sent.
func (r *run) verdict(ctx context.Context) error {
	tx, s := r.s.tx, r.s
	removed := r.account()
	tx.removals.rows = total(tx.removals.tables)
	if !r.capturing() && !r.after.tracking && s.j.policy().Mode == Block {
		return s.blocked(ctx, r.w, r.mark, firstWord(r.commandTag()), "may remove rows, and the server does not count them (track_counts is off)", r.st.Text, removed)
	}
	if p := s.j.policy(); len(r.unknown) > 0 && p.Mode == Block && p.Uncountable != Allow {
		return s.blocked(ctx, r.w, r.mark, firstWord(r.commandTag()), "truncates, drops or rewrites "+strings.Join(r.unknown, ", ")+" on the way, and how many rows that takes cannot be counted", r.st.Text, removed)
	}
	if len(removed) == 0 {
		return nil
	}
	if tx.xid = r.after.xid; tx.xid == "" {
		tx.xid = r.before.xid
	}
	tx.server.Started = r.after.started
	verb := firstWord(r.commandTag())
	tx.removals.add(r.st.Text, r.commandTag())
	p := s.j.policy()
	if what := p.uncaptured(removed); what != "" {
		return s.blocked(ctx, r.w, r.mark, verb, what, r.st.Text, removed)
	}
	what := p.judge(removed, tx.removals.tables)
	if what == "" {
		return nil
	}
	if p.Mode == Block {
		return s.blocked(ctx, r.w, r.mark, verb, what, r.st.Text, removed)
	}
	tx.removals.over = verb + " " + what
	return nil
}

// account brings the transaction's tables to what the server counted, and
// returns what this statement removed.
func (r *run) account() (removed []journal.Table) {
	for _, o := range slices.Sorted(maps.Keys(r.after.tables)) {
		after, before := r.after.tables[o], r.before.tables[o]
		n := after.deleted - before.deleted
		if before.filenode != "" && after.filenode != before.filenode && after.deleted == before.deleted {
			if n = int64(before.rows); n < 0 {
				n = r.s.j.policy().Limit + 1 // nobody knows how many: unknown is never safe
			}
			if !r.taken[o] {
				r.vanished(o)
			}
			if n > 0 && !r.taken[o] {
				r.uncounted(o, n, "the table was truncated or rewritten inside the statement; the number is an estimate")
			}
			continue
		}
		if diff := n - r.captured[o]; diff != 0 && (r.after.tracking || diff > 0) && !r.taken[o] {
			r.uncounted(o, diff, fmt.Sprintf("the server counted %d rows, %d keys were captured", n, r.captured[o]))
		}
	}
	for o, before := range r.before.tables {
		if _, still := r.after.tables[o]; !still && !r.taken[o] {
			n := int64(before.rows)
			if n < 0 {
				n = r.s.j.policy().Limit + 1
			}
			r.vanished(o)
			if n > 0 {
				r.uncounted(o, n, "the table was dropped inside the statement; the number is an estimate")
			}
		}
	}
	r.foreign()
	return r.since()
}

// vanished notes a table whose rows went without being counted.
func (r *run) vanished(o uint32) {
	name := fmt.Sprintf("oid %d", o)
	if t := r.s.view.snap.Tables[o]; t != nil {
		name = t.QuotedName()
	}
	r.unknown = append(r.unknown, name)
}

// since is what the transaction's tables have lost since the mark.
func (r *run) since() []journal.Table {
	var removed []journal.Table
	old := r.mark.removals.tables
	for i, t := range r.s.tx.removals.tables {
		if i < len(old) {
			t.Rows -= old[i].Rows
		}
		if t.Rows != 0 {
			removed = append(removed, t)
		}
	}
	return removed
}

// uncounted adds rows that the server counted and no key stands for.
func (r *run) uncounted(o uint32, n int64, why string) {
	rm := &r.s.tx.removals
	t := r.s.view.snap.Tables[o]
	for i, st := range r.steps() { // empty unless capturing
		if t != nil && (st.table == t || st.table == t.Root()) && (st.via == journal.Direct || st.via == journal.Cascade) {
			e := &rm.tables[r.table(i, o)]
			e.Rows += n
			e.KeysCaptured, e.Why = false, why
			return
		}
	}
	want := journal.Table{OID: o, Schema: "?", Name: fmt.Sprintf("oid %d", o), Via: journal.Function}
	if t != nil {
		root := t.Root()
		want.Schema, want.Name, want.OID = root.Schema, root.Name, root.OID
	}
	if r.plan != nil && r.plan.blind[want.OID] != "" {
		want.Via, why = journal.Cascade, r.plan.blind[want.OID]
	} else if r.plan != nil && r.plan.count != "" {
		why = r.plan.count
	} else if r.st.why != "" {
		why = r.st.why
	}
	e := &rm.tables[rm.table(want)]
	e.Rows += n
	e.KeysCaptured, e.Why = false, why
}

func (r *run) steps() []step {
	if !r.capturing() {
		return nil
	}
	return r.plan.steps
}

// foreign adds what left foreign tables, which the server's counters leave out:
// the tag says how many.
func (r *run) foreign() {
	var n, counted int64
	if r.plan == nil || r.plan.foreign == 0 || r.capturing() {
		return
	}
	if _, err := fmt.Sscanf(r.commandTag(), "DELETE %d", &n); err != nil {
		return
	}
	for o, after := range r.after.tables {
		counted += after.deleted - r.before.tables[o].deleted
	}
	if n > counted {
		r.uncounted(r.plan.foreign, n-counted, "a foreign table")
	}
}

func firstWord(tag string) string {
	w, _, _ := strings.Cut(tag, " ")
	if w == "SELECT" || w == "INSERT" || w == "UPDATE" || w == "" {
		return "statement"
	}
	return w
}

// errFailed: the statement failed and the client has been told; the server
// discards what follows up to Sync.
var errFailed = errors.New("statement failed")
