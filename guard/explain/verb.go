package explain

import (
	"cmp"

	"github.com/rowback/rowback/sqlparse"
)

// kind is what a statement is, for people.
func kind(st sqlparse.Statement) string {
	switch st.Verb {
	case sqlparse.Nested:
		return "DELETE inside another statement"
	case sqlparse.Execute:
		return "EXECUTE"
	case sqlparse.Unknown:
		return "text that cannot be parsed"
	}
	return cmp.Or(st.Kind(), "statement")
}

// plain: by its text it removes and changes nothing that a rule may be about.
func plain(st sqlparse.Statement) bool {
	return (st.Verb == sqlparse.Plain || st.Verb >= sqlparse.Begin) && st.Update == nil && !st.UpdatesInside && !st.DropsColumn
}
