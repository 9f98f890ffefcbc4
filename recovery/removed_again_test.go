package recovery

import (
	"fmt"
	"strings"
	"testing"
)

// A restore that is run again leaves out what somebody removed again since the first, unless
// it is told otherwise.
func TestRestore_AgainAfterALaterDeletion(t *testing.T) {
	const (
		all  = "(1,v)(2,v)(3,v)(4,v)(5,v)"
		left = "restored by R and removed again by D; name that one to bring it back"
	)
	for name, c := range map[string]struct {
		do   func(l *lab, d1, r1 string) (last []string, d2 string) // what is restored in the end
		is   string
		left []string
	}{
		"removed again": {func(l *lab, d1, r1 string) ([]string, string) {
			return []string{d1}, l.incident("DELETE FROM c WHERE id = 2")
		}, "(1,v)(3,v)(4,v)(5,v)", []string{left, left}},
		"with what hangs on it": {func(l *lab, d1, r1 string) ([]string, string) {
			l.exec("DELETE FROM g")
			return []string{d1}, l.incident("DELETE FROM c WHERE id = 2")
		}, "(1,v)(3,v)(4,v)(5,v)", []string{left, "its parent public.c (id) = (2) stays out, too"}},
		"the later one is named, too": {func(l *lab, d1, r1 string) ([]string, string) {
			d2 := l.incident("DELETE FROM c WHERE id = 2")
			return []string{d1, d2}, d2
		}, all, nil},
		"by an undo": {func(l *lab, d1, r1 string) ([]string, string) {
			l.undo(UndoOptions{}, r1)
			return []string{d1}, ""
		}, all, nil},
		"off the record, after another restore of both": {func(l *lab, d1, r1 string) ([]string, string) {
			d2 := l.incident("DELETE FROM c WHERE id = 2")
			l.restore(l.options(d1, d2))
			l.exec("DELETE FROM c WHERE id = 2")
			return []string{d1}, d2
		}, all, nil},
		"and restored, and removed by one that is named, too": {func(l *lab, d1, r1 string) ([]string, string) {
			d2 := l.incident("DELETE FROM c WHERE id = 2")
			l.restore(l.options(d2))
			return []string{d1, l.incident("DELETE FROM c WHERE id = 2")}, d2
		}, all, nil},
		"and made anew, and removed by one that is named, too": {func(l *lab, d1, r1 string) ([]string, string) {
			d2 := l.incident("DELETE FROM c WHERE id = 2")
			l.exec("INSERT INTO c VALUES (2, 'v')")
			return []string{d1, l.incident("DELETE FROM c WHERE id = 2")}, d2
		}, all, []string{left}}, // what hung on it is gone with the other one
		"and restored, and removed off the record": {func(l *lab, d1, r1 string) ([]string, string) {
			d2 := l.incident("DELETE FROM c WHERE id = 2")
			l.restore(l.options(d2))
			l.exec("DELETE FROM c WHERE id = 2")
			return []string{d1}, d2
		}, all, nil},
	} {
		for _, how := range []string{"keys", "images", "batches"} {
			t.Run(name+", "+how, func(t *testing.T) {
				l := newLab(t, "CREATE TABLE c (id int PRIMARY KEY, v text); INSERT INTO c SELECT i, 'v' FROM generate_series(1, 5) i; CREATE TABLE g (c int REFERENCES c ON DELETE CASCADE PRIMARY KEY); INSERT INTO g VALUES (2), (3)").backup()
				remove := l.incident
				if how == "images" {
					remove = func(sql ...string) string { return l.imaged(nil, sql...) }
				}
				d1 := remove("DELETE FROM c WHERE id < 4")
				r1 := l.restore(l.options(d1)).Entry
				last, d2 := c.do(l, d1, r1)
				o := l.options(last...)
				if how == "batches" {
					o.Batch = 1
				}
				report := l.restore(o)
				var got []string
				for _, u := range report.Unrestored {
					got = append(got, strings.NewReplacer(r1, "R", d2, "D").Replace(u.Reason))
				}
				if is := strings.Join(l.content("c"), ""); is != c.is || fmt.Sprint(got) != fmt.Sprint(c.left) {
					t.Errorf("%s %q, want %s %q", is, got, c.is, c.left)
				}
			})
		}
	}
}
