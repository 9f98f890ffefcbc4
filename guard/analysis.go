package guard

import (
	"slices"
	"strings"
	"sync"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/sqlparse"
)

// route is how a statement is judged; see the package comment.
type route int

const (
	routePlain route = iota
	routeCapture
	routeTake
	routeCount
	routeRefuse
	routeControl
)

// judged is a statement with its route.
type judged struct {
	sqlparse.Statement
	route route
	why   string // routeCount, routeRefuse: what in it may delete, for people
	// unseen: see view.unseen.
	unseen bool
	runes  int // characters before Text in the query text
	// functionCall: the client has sent one, and Text is what it amounts to.
	functionCall bool
}

// analysis is what is known of a query text under one view.
type analysis struct {
	stmts   []judged
	plain   bool // nothing in it needs the guard: it may be forwarded as it is
	updates bool // there is an UPDATE in it, which may matter all the same
}

// maxCached bounds a cache by the bytes of its texts.
const maxCached = 8 << 20

// maxCachedText bounds each of them.
const maxCachedText = maxCached / 64

// cache holds analyses by text, so that a text is parsed once.
type cache struct {
	// mu guards the rest.
	mu     sync.RWMutex
	byText map[string]*analysis
	bytes  int
}

// get is what is known of a text, nil if nothing is.
func (c *cache) get(text []byte) *analysis {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byText[string(text)]
}

// analyse parses a text, or remembers it. What a backslash is in it is the session's
// settings' to say; see ParseBackslash.
func (v *view) analyse(text string, conforming bool, encoding string) *analysis {
	if (!conforming || sqlparse.Ambiguous(encoding)) && strings.Contains(text, `\`) {
		return v.parse(text, sqlparse.ParseBackslash(text, conforming, encoding))
	}
	v.cache.mu.RLock()
	a := v.cache.byText[text]
	v.cache.mu.RUnlock()
	if a != nil {
		return a
	}
	a = v.parse(text, sqlparse.Parse(text))
	if len(text) > maxCachedText {
		return a
	}
	v.cache.mu.Lock()
	defer v.cache.mu.Unlock()
	if v.cache.bytes += len(text) + 256; v.cache.bytes > maxCached {
		clear(v.cache.byText)
		v.cache.bytes = len(text) + 256
	}
	v.cache.byText[text] = a
	return a
}

func (v *view) parse(text string, stmts []sqlparse.Statement) *analysis {
	a := &analysis{plain: true}
	runes, counted := 0, 0
	for _, st := range stmts {
		runes, counted = runes+runeCount(text[counted:st.Offset]), st.Offset
		j := judged{Statement: st, runes: runes}
		v.judge(&j)
		if j.route != routePlain || j.DDL || j.ChangesNames || j.Prepares || j.CommitsItself {
			a.plain = false
		}
		a.updates = a.updates || st.Update != nil || st.UpdatesInside
		a.stmts = append(a.stmts, j)
	}
	return a
}

// renames reports whether a statement calls what may change what names mean in the session.
func (v *view) renames(st sqlparse.Statement) bool {
	renames := v.snap.Reach.Renames
	if len(renames) == 0 || st.Verb == sqlparse.Execute {
		return len(renames) > 0
	}
	if !v.writes(st) {
		renames = v.snap.Reach.RenamesReads
	}
	mentioned := v.names.Mentions([]byte(st.Text))
	var from []string // what it may delete from
	switch st.Verb {
	case sqlparse.Delete, sqlparse.Merge:
		from = []string{catalog.Fold(st.Target.Name)}
	case sqlparse.Nested:
		for _, t := range st.Targets {
			from = append(from, catalog.Fold(t.Name))
		}
	case sqlparse.Do:
		from = mentioned
	}
	return slices.ContainsFunc(mentioned, func(name string) bool { return renames[name] != "" }) ||
		slices.ContainsFunc(from, func(name string) bool { return v.snap.Reach.RenamesRemovals[name] != "" })
}

// route decides on the text and the catalog alone. Later, a DELETE whose target
// turns out not to be capturable is counted instead.
func (v *view) route(st sqlparse.Statement) (route, string) {
	switch st.Verb {
	case sqlparse.Begin, sqlparse.Commit, sqlparse.Rollback, sqlparse.Savepoint, sqlparse.Release, sqlparse.RollbackTo,
		sqlparse.PrepareTransaction, sqlparse.CommitPrepared, sqlparse.RollbackPrepared:
		return routeControl, ""
	case sqlparse.Delete:
		return routeCapture, v.mayDelete(st) // by what it calls or reads
	case sqlparse.Truncate:
		return routeTake, ""
	case sqlparse.Drop:
		if st.Uncountable == "" || len(st.Schemas) > 0 || len(st.Owners) > 0 {
			return routeTake, ""
		}
		if st.OutsideTransaction {
			return routeRefuse, st.Uncountable
		}
		return routeCount, st.Uncountable
	case sqlparse.Merge:
		return routeCount, "MERGE"
	case sqlparse.Nested:
		return routeCount, "a DELETE inside another statement"
	case sqlparse.Execute:
		return routeCount, "EXECUTE of a prepared statement"
	case sqlparse.Unknown:
		return routeCount, "a statement that rowback cannot parse"
	case sqlparse.Do:
		switch why := v.mayDelete(st); {
		case why == "" && !opaque(st.Text):
			return routePlain, ""
		case why == notLooked && !opaque(st.Text): // as a CALL
			return routeCount, why
		case st.CommitsItself:
			return routeRefuse, "a DO block that may delete and commits by itself"
		}
		return routeCount, "a DO block"
	case sqlparse.Call:
		for _, name := range v.names.Mentions([]byte(st.Text)) {
			if why, ok := v.snap.Reach.Commits[name]; ok {
				return routeRefuse, "a procedure that may delete and commits by itself (" + string(why) + ")"
			}
		}
	}
	why := v.mayDelete(st)
	if st.SetsConstraints {
		why = string(v.snap.Reach.Deferred)
	}
	switch {
	case why == "":
		return routePlain, ""
	case st.Cursor && why == notLooked:
		return routeCount, why
	case st.Cursor: // what it runs happens at FETCH, or at COMMIT: too late to count here
		return routeRefuse, "a cursor over something that may delete (" + why + ")"
	case st.OutsideTransaction && why == notLooked:
		return routePlain, ""
	case st.OutsideTransaction:
		return routeRefuse, why
	}
	return routeCount, why
}

// judge decides how a statement is guarded.
func (v *view) judge(j *judged) {
	j.unseen, j.ChangesNames = false, j.ChangesNames || v.renames(j.Statement)
	j.route, j.why = v.route(j.Statement)
	if j.route == routeCapture && j.why != "" && v.snap.Reach.Types { // nor may it be parsed before it is counted
		j.route = routeCount
	}
	if why := v.unseen(j.Statement); why != "" {
		j.route, j.why, j.unseen = routeRefuse, why, true
	}
}

// unseen says why a statement may remove rows that neither a counter nor a tag
// tells, "" if it may not: those of foreign tables, and any where track_counts is set.
func (v *view) unseen(st sqlparse.Statement) string {
	if len(v.foreign) > 0 && st.Verb == sqlparse.Nested {
		for _, n := range st.Targets {
			if v.foreign[n.Name] {
				return "a DELETE from " + n.Name + " inside another statement, whose rows are a foreign table's"
			}
		}
	}
	if st.Verb == sqlparse.Do && opaque(st.Text) {
		if names := sqlparse.NewNames(v.foreign).Mentions([]byte(st.Text)); len(names) > 0 {
			return "a DO block that may delete rows of the foreign table " + names[0]
		}
		if strings.Contains(strings.ToLower(st.Text), "track_counts") {
			return "a DO block that may delete rows where track_counts is set"
		}
	}
	if len(v.snap.Reach.Unseen) == 0 {
		return ""
	}
	for _, name := range v.names.Mentions([]byte(st.Text)) {
		if why, ok := v.snap.Reach.Unseen[name]; ok {
			return string(why)
		}
	}
	return ""
}

// mayDelete says why a statement without a removal in its text may delete all
// the same, "" if it may not.
func (v *view) mayDelete(st sqlparse.Statement) string {
	if v.snap.Reach.Everything != "" && !v.uncertain {
		if sqlparse.Inert([]byte(st.Text)) {
			return ""
		}
		return v.snap.Reach.Everything
	}
	if (st.DDL || st.Events) && v.snap.Reach.DDL != "" {
		return string(v.snap.Reach.DDL)
	}
	names := v.snap.Reach.Names
	if !v.writes(st) {
		names = v.snap.Reach.Reads
	}
	for _, name := range v.names.Mentions([]byte(st.Text)) {
		if why := names[name]; why != "" && !(v.snap.Reach.Moves[name] && st.Verb == sqlparse.Plain && len(moving.Mentions([]byte(st.Text))) == 0) {
			return string(why)
		}
	}
	if v.uncertain && !sqlparse.Inert([]byte(st.Text)) && !sqlparse.Lonely([]byte(st.Text)) {
		return v.snap.Reach.Everything
	}
	return ""
}

// opaque reports whether a DO block has a word by which it might delete, or is
// in another language than PL/pgSQL. PL/pgSQL's own words cannot be written in
// any other way.
func opaque(do string) bool {
	do = strings.ToLower(do)
	for _, w := range []string{"delete", "truncate", "drop", "merge", "detach", "attach", "inherit", "prepare", "execute", "create", "load", "enable", "fetch", "language", "constraints", `u&"`} {
		if strings.Contains(do, w) {
			return true
		}
	}
	return false
}

// writes reports whether a statement may write to a table, or evaluate what
// only writing does: all but a SELECT, or a DELETE (whose own triggers are its
// plan's to know).
func (v *view) writes(st sqlparse.Statement) bool {
	return st.Verb != sqlparse.Plain && st.Verb != sqlparse.Delete || st.DDL || st.CopyIn || len(writing.Mentions([]byte(st.Text))) > 0
}

// writing are the words of which a statement that writes has one.
var writing = func() *sqlparse.Names {
	words := map[string]bool{}
	for _, w := range writingWords {
		words[w] = true
	}
	return sqlparse.NewNames(words)
}()

// moving are the words of which a statement that moves rows between partitions has one.
var moving = sqlparse.NewNames(map[string]bool{"update": true, "merge": true})

var writingWords = []string{"insert", "update", "merge", "copy", "refresh", "import", "analyze", "analyse", "vacuum", "cluster", "reindex"}
