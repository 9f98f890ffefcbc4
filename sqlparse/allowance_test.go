package sqlparse

import "testing"

func TestAllowanceComment(t *testing.T) {
	for _, c := range []struct {
		text   string
		rows   int64 // 0: none
		reason string
	}{
		{"/* rowback:allow=60000 reason=GDPR batch 7 */ DELETE FROM p", 60000, "GDPR batch 7"},
		{"-- rowback:allow=60000 reason=GDPR batch 7\nDELETE FROM p", 60000, "GDPR batch 7"},
		{"--rowback:allow=1 reason=x\r\nDELETE FROM p", 1, "x"},
		{"--rowback:allow=1 reason=x", 1, "x"},
		{"/*rowback:allow=5*/DELETE FROM p", 5, ""},
		{"/* rowback:allow=5\n   reason=a\tb\n\n   c\n*/ DELETE FROM p", 5, "a b c"},
		{" \n/*+ SeqScan(p) */ -- app:web\n /* rowback:allow=5 reason=O'Brien \"asked\" */ DELETE FROM p", 5, `O'Brien "asked"`},
		{"/* rowback:allow=5 reason='it''s \"due\"' */ DELETE FROM p", 5, `it's "due"`},
		{`/* rowback:allow=5 reason="say ""go""" */ DELETE FROM p`, 5, `say "go"`},
		{"/* rowback:allow=5 reason='' */ DELETE FROM p", 5, ""},
		{"/* rowback:allow=5 reason= */ DELETE FROM p", 5, ""},
		{"/* rowback:allow=5 reason=caf\xe9 \x1b[31mred\u202e */ DELETE FROM p", 5, "caf\uFFFD [31mred"},
		{"/* rowback:allow=9223372036854775807 */ DELETE FROM p", 9223372036854775807, ""},
		{"/* rowback:allow=5 */ /* rowback:allow=7 */ DELETE FROM p", 5, ""},

		{"DELETE FROM p", 0, ""},
		{"", 0, ""},
		{"/* rowback:allow=5", 0, ""},
		{"DELETE FROM p /* rowback:allow=5 */", 0, ""},
		{"DELETE /* rowback:allow=5 */ FROM p", 0, ""},
		{"SELECT '/* rowback:allow=5 */'", 0, ""},
		{"; /* rowback:allow=5 */ DELETE FROM p", 0, ""},
		{"/* please rowback:allow=5 */ DELETE FROM p", 0, ""},
		{"/* /* rowback:allow=5 */ */ DELETE FROM p", 0, ""},
		{"/* ROWBACK:allow=5 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow= */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=0 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=05 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=-5 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=+5 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow= 5 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=5.0 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=6e4 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=60_000 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=60,000 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=60 000 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=\u0665 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=9223372036854775808 */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=5reason=x */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=5 because */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=5 reason='open */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=5 reason=' */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=5 reason='a' b='c' */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=5 reason='a' now */ DELETE FROM p", 0, ""},
		{"/* rowback:allow=x */ /* rowback:allow=5 */ DELETE FROM p", 0, ""},
	} {
		rows, reason, ok := AllowanceComment(c.text)
		if rows != c.rows || reason != c.reason || ok != (c.rows > 0) {
			t.Errorf("%q: %d, %q, %v", c.text, rows, reason, ok)
		}
	}
}

// TestAllowanceComment_EachStatementKeepsItsOwn: the comment belongs to the
// statement that follows it, also where the text does not parse as a whole.
func TestAllowanceComment_EachStatementKeepsItsOwn(t *testing.T) {
	for _, sql := range []string{
		"/* rowback:allow=1 */ DELETE FROM p; ; /* note */ -- rowback:allow=2\nDELETE FROM c;DELETE FROM n; /* rowback:allow=4 */ UPDATE p SET v = 1",
		"\n/* rowback:allow=1 */ DELETE FROM p;\n/* rowback:allow=2 */ GARBAGE IN; DELETE FROM n;/* rowback:allow=4 */ DELETE FROM p -- rowback:allow=9",
		"/* rowback:allow=1 */ DELETE FROM \"caf\xe9\";/* \xe9 */ /* rowback:allow=2 */ DELETE FROM c; DELETE FROM n; /* rowback:allow=4 */ SELECT 1; -- rowback:allow=5",
	} {
		all := Parse(sql)
		if len(all) != 4 {
			t.Fatalf("%q: %s", sql, summaries(all))
		}
		for i, want := range []int64{1, 2, 0, 4} {
			if rows, _, _ := AllowanceComment(all[i].Text); rows != want {
				t.Errorf("%q: %d in %q, want %d", sql, rows, all[i].Text, want)
			}
		}
	}
}

// TestAllowanceComment_ChangesNoVerdict: what is plain stays plain.
func TestAllowanceComment_ChangesNoVerdict(t *testing.T) {
	for _, c := range cases() {
		sql := "/* rowback:allow=5 reason=DELETE; */ " + c.sql
		if got := summaries(Parse(sql)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, c.want)
		}
	}
	if (*Names)(nil).Scan([]byte("/* rowback:allow=5 reason=delete */ SELECT 1")) {
		t.Error("a look at a plain text with the comment")
	}
}
