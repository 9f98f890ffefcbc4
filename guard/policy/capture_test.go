package policy

import "testing"

func TestRule_Excludes(t *testing.T) {
	r := Rule{ExcludeColumns: []string{"ssn", "people.photo", "audit.*.old_*", "*_hash"}}
	for column, want := range map[[3]string]bool{
		{"public", "people", "ssn"}: true, {"x", "other", "ssn"}: true, {"public", "people", "photo"}: true, {"public", "pets", "photo"}: false,
		{"audit", "log", "old_row"}: true, {"public", "log", "old_row"}: false, {"public", "users", "password_hash"}: true, {"public", "people", "ssn2"}: false,
		{"people", "photo", "x"}: false, // a table's name is no column's
	} {
		if got := r.Excludes(column[0], column[1], column[2]); got != want {
			t.Errorf("%v: %v", column, got)
		}
	}
}
