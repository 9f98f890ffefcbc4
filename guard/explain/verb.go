package explain

import "github.com/rowback/rowback/sqlparse"

// kind is what a statement is, for people.
func kind(st sqlparse.Statement) string {
	switch {
	case st.Update != nil:
		return "UPDATE"
	case st.Detach:
		return "DETACH PARTITION"
	case st.DropsColumn:
		return "DROP COLUMN"
	}
	switch st.Verb {
	case sqlparse.Delete:
		return "DELETE"
	case sqlparse.Truncate:
		return "TRUNCATE"
	case sqlparse.Drop:
		return "DROP"
	case sqlparse.Merge:
		return "MERGE"
	case sqlparse.Nested:
		return "DELETE inside another statement"
	case sqlparse.Call:
		return "CALL"
	case sqlparse.Do:
		return "DO"
	case sqlparse.Execute:
		return "EXECUTE"
	case sqlparse.Unknown:
		return "text that cannot be parsed"
	}
	return "statement"
}

// plain: by its text it removes and changes nothing that a rule may be about.
func plain(st sqlparse.Statement) bool {
	return (st.Verb == sqlparse.Plain || st.Verb >= sqlparse.Begin) && st.Update == nil && !st.UpdatesInside && !st.DropsColumn
}
