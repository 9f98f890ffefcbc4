package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/protect"
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
	// target of an UPDATE without a plan, nil if it is not known.
	target *catalog.Table
	far    uint32 // the foreign table whose rows the tag of an EXECUTE counts, 0 if none

	shift    int       // added to error positions
	deferred bool      // it fires deferred triggers; see fireDeferred
	until    byte      // it is a Bind, or a Parse, which may call things too: the answer to that; 0: an Execute
	portal   string    // the one that it runs in, or that is bound
	fetches  bool      // a hazard is there, beside that
	released *heldBind // the Bind, if it is one in captured form
	rowdesc  bool      // simple protocol: a RowDescription goes to the client
	// closed reads what follows the statement's end; nil: nothing does.
	closed func(context.Context) error
	fields []byte             // the RowDescription, until the first row
	rows   func([]byte) error // takes the client's rows; nil: they go to the client
	held   rowQueue           // they, until the verdict; see holds
	lost   bool               // there was no room for one of its rows

	bind          *heldBind // goes with it; nil: none
	before, after counts
	direct        int64                    // rows of step 0
	cut           map[uint32]int64         // links of its rows that were cut, by tableoid
	captured      map[uint32]int64         // removed rows with keys, by tableoid
	index         map[place]int            // to removals.tables
	proved        map[uint32]bool          // tables of which just the rows that were captured are gone
	swapped       map[int]int64            // shares of which rows that were captured are not; see exchanged
	last          captured                 // the row before
	cols          [][]byte                 // of the row; kept for the next one
	unknown       []uint32                 // tables whose rows went uncounted, by OID
	newer         map[uint32]journal.Table // tables (their roots) that lost rows and are not in the catalog as it was read, by OID
	answered      map[string]answer        // by rule
	// permitted are the rules that the statement's kind does not concern any more:
	// by whose leave; nil: the rule merely alerts, and kind says of what.
	permitted map[string]*journal.Allowed
	kind      string
	taken     map[uint32]bool // tables whose rows were noted beforehand (TRUNCATE, DROP)
	encoding  string          // with taken: the session's client_encoding
	shown     map[uint32]bool // see visible; nil: not asked
	files     map[uint32]file // see rewritten
	shielded  bool            // it runs behind a savepoint
	// weighing: what is refused is refused once the statement has run; doomed is that.
	weighing bool
	doomed   *refusal

	early   *counts // the first reading, if it was made before; see readEarly
	batched bool    // others of its batch are captured with it
	// recounting: it may look at tables again; see mayRecount.
	recounting bool
	ahead      bool // it is judged before it runs, as if the rows were gone
	probing    bool // … by what a probe has found
	atLeast    bool // … and there may be more

	// kinds are verdicts on the statement's kind that an operator is to be asked about
	// (askKinds); agreed are the answers, by rule.
	kinds  []verdict
	agreed map[string]answer

	end  byte   // 'C' CommandComplete, 's' PortalSuspended, 'I' EmptyQueryResponse, 'E' ErrorResponse
	tag  []byte // body of end
	mark savepoint
	// first is where the keys begin that captured counts: of a batch, the first one's.
	first journal.Mark
}

// bracket sends the counters' first reading (unless the statement is exact), the
// statement's own messages, and the second reading, and reads all answers. Nothing of the statement's end has
// reached the client when it returns. errFailed: it failed, the client has
// been told, and the server discards messages up to Sync.
func (r *run) bracket(ctx context.Context, send func()) error {
	defer r.held.close()
	if err := r.begin(ctx); err != nil {
		return err
	}
	var timer meter
	timer.begin()
	ticket, err := r.s.ticket(ctx, r.w)
	if err != nil {
		return r.fault(err)
	}
	if err := r.rewritten(ctx); err != nil {
		return r.fault(err)
	}
	q := r.countsQuery()
	if ticket != "" {
		sendQuery(r.w, "SELECT "+ticket)
	}
	if r.early != nil {
		r.before = *r.early
	}
	reads := r.early == nil && !r.exact()
	if reads {
		sendQuery(r.w, q)
	}
	if r.shielded {
		sendQuery(r.w, "SAVEPOINT "+shield)
	}
	if r.bind != nil {
		r.bind.send(r.w)
	}
	send()
	if !r.st.CopyIn { // inside COPY FROM STDIN the server takes nothing else
		r.sendAfter(q, ticket)
	}
	r.w.Send('H', nil)
	if ticket != "" {
		if _, err := receiveQuery(ctx, r.w); err != nil {
			return r.fault(err)
		}
	}
	if reads {
		if r.before, err = receiveCounts(ctx, r.w); err != nil {
			return r.fault(err)
		}
	}
	if r.shielded {
		if _, err = receiveQuery(ctx, r.w); err != nil {
			return r.fault(err)
		}
	}
	timer.statement()
	if r.bind != nil {
		r.s.litter = true
		if err := r.bind.receive(ctx, r.w); err != nil {
			if rerr := r.s.tx.rewind(r.mark); rerr != nil {
				return rerr
			}
			return r.fault(err)
		}
		r.s.litter = false
	}
	if err := r.receive(ctx); err != nil {
		return err
	}
	timer.counters()
	if r.st.CopyIn {
		r.sendAfter(q, ticket)
		r.w.Send('H', nil)
	}
	if r.shielded {
		if _, err = receiveQuery(ctx, r.w); err != nil {
			return r.fault(err)
		}
	}
	if err := r.readAfter(ctx); err != nil {
		return err
	}
	if ticket != "" {
		if _, err := receiveQuery(ctx, r.w); err != nil {
			return r.fault(err)
		}
	}
	if r.exact() {
		r.before = r.after
	}
	timer.end(r.s.j.o.Metrics, r.route())
	return r.conclude(ctx, r)
}

// readAfter reads the answer to the counters' second reading.
func (r *run) readAfter(ctx context.Context) (err error) {
	r.after, err = receiveCounts(ctx, r.w)
	switch bare := r.exact() && r.plan.bare; {
	case err != nil:
		return r.fault(err)
	case bare && r.after.target != r.plan.target.OID: // its name means another one now
		sendQuery(r.w, uncountedQuery(r.st.Target, r.plan.signature, r.s.started))
		r.w.Send('H', nil)
		if r.after, err = receiveCounts(ctx, r.w); err != nil {
			return r.fault(err)
		}
	case bare && r.after.depends == "f":
		r.after.depends = r.plan.depends
	}
	s, fixed := r.s, r.after.fixed
	if r.after.started.IsZero() {
		r.after.started = s.started
	}
	s.started, s.fixed = r.after.started, &fixed
	if as := r.after.encoding; as != "" && as != r.w.Parameter("client_encoding") {
		s.encoded = &encoded{s.exchange, s.sets.with, as}
	}
	return nil
}

// setsNothing reports whether the statement leaves the session's settings as they
// are: nothing of the database's runs with it, and it calls nothing itself.
func (r *run) setsNothing() bool {
	return r.capturing() && r.plan.bare && strings.IndexByte(r.st.Text, '(') < 0
}

// conclude judges, once all is read. The first of a batch says where that began.
func (r *run) conclude(ctx context.Context, first *run) error {
	if r.before.catalog != r.after.catalog { // what it calls does what the text does not say
		r.s.changed(judged{Statement: sqlparse.Statement{DDL: true, ChangesNames: true}, route: routeCount})
		r.s.overtaken = r.s.exchange
	}
	if r.renamed() || r.outdated() {
		return first.outOfDate(ctx)
	}
	if err := r.verdict(ctx); err != nil {
		return err
	}
	return r.deliver()
}

// sendAfter sends the counters' second reading, and takes the ticket back.
func (r *run) sendAfter(q, ticket string) {
	if r.shielded {
		sendQuery(r.w, "RELEASE SAVEPOINT "+shield)
	}
	sendQuery(r.w, q)
	if ticket != "" {
		sendQuery(r.w, "SELECT "+protect.SetTicket(""))
	}
}

// begin makes sure that evidence can be kept and marks where the statement starts.
func (r *run) begin(ctx context.Context) error {
	if r.captured != nil {
		return nil
	}
	if !r.unlikely() {
		if err := r.s.evidenceReady(ctx); err != nil {
			return r.s.refuse(ctx, r.w, noEvidenceError())
		}
	}
	r.s.adapt()
	r.mark = r.s.open(r.w).mark("")
	r.first = r.mark.keys
	r.captured = map[uint32]int64{}
	if err := r.s.isolation(ctx, r.w); err != nil {
		return r.fault(err)
	}
	return nil
}

func (r *run) countsQuery() string {
	if r.plan == nil {
		return countsQuery(sqlparse.Name{}, "NULL", nil, nil, true, r.s.rules.updates && r.updatesUnseen(), false)
	}
	signature := "NULL"
	if r.plan.signature != "" {
		signature = r.plan.signature
	}
	switch {
	case r.exact() && r.plan.bare:
		return bareQuery(r.st.Target, r.s.started, r.plan.worded)
	case r.exact():
		return uncountedQuery(r.st.Target, signature, r.s.started)
	}
	return countsQuery(r.st.Target, signature, r.plan.touched, r.plan.cuts, r.plan.all || r.s.tx.fixed || r.fetches, false, r.plan.loose || len(r.plan.steps) > 1)
}

// fault reports a failed query of rowback's own, and forgets what the statement did.
func (r *run) fault(err error) error {
	if !errors.Is(err, errServer) {
		return err
	}
	if r.captured != nil { // it has begun
		if err := r.s.tx.rewind(r.mark); err != nil {
			return err
		}
	}
	return r.s.fault(r.w, err)
}

// capturing: the statement was sent in captured form.
func (r *run) capturing() bool { return r.plan != nil && r.plan.count == "" }

// exact: the rows that the statement returns are all that it removes. The counters
// could say no more, and are not read.
func (r *run) exact() bool {
	p := r.plan
	return r.sees() && !r.s.renames && !p.soft && !p.updates && len(p.steps) == 1 && !p.capture.Steps[0].Self
}

// sees: what the statement removes is known without the server's counters.
func (r *run) sees() bool {
	return r.capturing() && !r.plan.all && len(r.plan.blind) == 0 && !r.s.tx.fixed && !r.fetches
}

// tracked: the server counted, before the statement and after it.
func (r *run) tracked() bool { return r.before.tracking && r.after.tracking }

// route is how the statement is guarded, for metrics.
func (r *run) route() string {
	switch {
	case r.taken != nil:
		return "take"
	case r.capturing():
		return "capture"
	}
	return "count"
}

// verdict compares the readings, judges, and either notes the statement in the
// transaction or refuses it. The client's completion is still to be sent.
func (r *run) verdict(ctx context.Context) error {
	tx, s := r.s.tx, r.s
	if r.lost {
		if err := tx.rewind(r.mark); err != nil {
			return err
		}
		return s.refuse(ctx, r.w, noRoomError())
	}
	if err := r.account(ctx); err != nil {
		return err
	}
	r.updates()
	if x := r.doomed; x != nil {
		return r.s.blocked(ctx, r.w, r.mark, *x)
	}
	removed := r.since()
	tx.removals.rows = total(tx.removals.tables)
	if rule := s.rules.strict(); !r.tracked() && !r.sees() && refuses(rule.Mode) {
		return r.refuse(ctx, verdict{rule: rule, limit: notRows, reason: uncountable, what: "may remove rows, and the server does not count them (track_counts is off)"}, removed)
	}
	if names, rule := r.unvouched(); len(names) > 0 {
		why := uncountable
		if tx.fixed {
			why = hiddenBySnapshot
		} else if slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "oid ") }) {
			why = madePast
		}
		return r.refuse(ctx, verdict{rule: rule, limit: notRows, reason: why, what: "truncates, drops, detaches or rewrites " + strings.Join(names, ", ") + " on the way, and how many rows that takes cannot be counted"}, removed)
	}
	tx.in(cmp.Or(r.after.xid, r.before.xid))
	tx.server.Started = r.after.started
	if len(removed) == 0 {
		return nil
	}
	if r.unlikely() {
		if err := s.evidenceReady(ctx); err != nil {
			if rerr := tx.rewind(r.mark); rerr != nil {
				return rerr
			}
			return s.refuse(ctx, r.w, noEvidenceError())
		}
	}
	tx.removals.add(r.st.Text, r.commandTag())
	if v := s.uncaptured(removed); v.rule != nil {
		return r.refuse(ctx, v, removed)
	}
	if err := r.rule(ctx, removed); err != nil {
		return err
	}
	r.pardon(removed)
	return nil
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

// errUnbound: it was its Bind that failed.
var errUnbound = fmt.Errorf("%w when it was bound", errFailed)
