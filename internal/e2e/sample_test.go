package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// sample is examples/rental.sql behind a proxy, with its backup.
func sample(t *testing.T) *shop {
	t.Helper()
	sql, err := os.ReadFile("../../examples/rental.sql")
	if err != nil {
		t.Fatal(err)
	}
	return newShop(t, string(sql))
}

// forgetTriggers undoes what the sample's own triggers wrote: rows of audit, and
// when a row was last updated.
func (s *shop) forgetTriggers() *shop {
	s.t.Helper()
	pgtest.Exec(s.t, s.direct, `SET session_replication_role = replica; DELETE FROM audit; UPDATE customer SET last_updated = '2026-01-01 00:00+00' WHERE last_updated > '2026-01-01 00:00+00'`)
	return s
}

// Deletions that the sample's head proposes are undone to the row.
func TestSample_IncidentsAreRestored(t *testing.T) {
	s := sample(t)
	was := s.content()
	for _, c := range []struct {
		sql      string
		restored int64
	}{
		{"DELETE FROM customer WHERE NOT active", 3320},
		{"DELETE FROM rental", 16000},
		{"TRUNCATE payment", 16000},
	} {
		if r := s.restore(0, s.run(c.sql)); r.Restored != c.restored {
			t.Errorf("%s: %d restored, want %d", c.sql, r.Restored, c.restored)
		}
		if d := differ(s.forgetTriggers().content(), was); len(d) > 0 {
			t.Fatalf("%s: %d rows differ: %.800q", c.sql, len(d), d)
		}
	}
}

// What a procedure removes is found by diff, and everything that only reads
// ends as it says, before and after.
func TestSample_EveryReadingCommand(t *testing.T) {
	s := sample(t)
	was := s.content()
	id := s.run("DELETE FROM customer WHERE NOT active")
	databases := []string{"--production", s.direct, "--recovery", s.backup}
	lost := filepath.Join(t.TempDir(), "lost.json")
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"log", "--table", "customer", "--min-rows", "3320", "--since", "1h", "--outcome", "committed"}},
		{0, []string{"log", id, "--keys"}},
		{2, []string{"log", "nonsense"}},
		{0, []string{"restore", id, "--dry-run"}},
		{4, []string{"restore", id}},
		{0, []string{"diff", "customer", "film", "--rows"}}, // all of it is on record
		{3, []string{"diff", "--incident", id, "--output", "json"}},
		{2, []string{"diff", "nonsense"}},
		{0, []string{"graph", "customer", "--depth", "2"}},
		{0, []string{"graph", "--incident", id, "--format", "svg"}},
		{0, []string{"graph", "--format", "dot", "--on", "recovery"}},
		{0, []string{"graph", "--format", "mermaid"}},
		{0, []string{"check"}},
		{0, []string{"check", "recovery", "--output", "json"}},
		{0, []string{"backup", "verify", "recovery"}},
		{3, []string{"backup", "verify", "recovery", "--max-age", "1d"}}, // its newest row is of April
		{0, []string{"doctor", "--upstream", s.direct, "--admin", "off", "--sql", "DELETE FROM store"}},
		{0, []string{"allow", "explain", "CALL forget_rentals('2026-01-10')"}},
		{0, []string{"allow", "list", "--all"}},
		{0, []string{"allow", "holds"}},
		{0, []string{"protect", "status"}},
		{0, []string{"protect", "install", "--table", "rental", "--dry-run"}},
		{0, []string{"journal", "verify"}},
		{0, []string{"journal", "export", "--format", "csv"}},
	} {
		s.rowback(c.code, append(c.args, databases...)...)
	}

	forgotten := s.run("CALL forget_rentals('2026-01-10')")
	s.restore(0, id)
	s.restore(2, forgotten) // its keys are not known
	s.rowback(3, append([]string{"diff", "--out", lost}, databases...)...)
	s.restore(0, "--from-diff", lost)
	s.rowback(0, append([]string{"diff", "--rows", "rental", "payment"}, databases...)...)
	s.forgetTriggers().is(was)
}
