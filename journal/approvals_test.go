package journal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func plainAllowance() *Allowance {
	now := time.Now()
	return &Allowance{ID: NewID(now), Time: now, Expires: now.Add(time.Hour), Rows: 100}
}

func plainHold() *Hold {
	now := time.Now()
	return &Hold{ID: NewID(now), Time: now, Expires: now.Add(time.Hour), SQL: "DELETE FROM t"}
}

// limitPages plays a full file system by a limit on the file's pages.
func limitPages(t *testing.T, j *embedded, pages int) {
	t.Helper()
	if _, err := j.store.Load().write.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}

// On a full disk nothing is granted, used or held, and with room again all is as it was.
func TestApprovals_DiskFull(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	a, h := plainAllowance(), plainHold()
	if err := errors.Join(j.Grant(t.Context(), a), j.Use(t.Context(), a.ID, "u", 40, a.Time), j.Hold(t.Context(), h)); err != nil {
		t.Fatal(err)
	}
	limitPages(t, j, 1)
	long := strings.Repeat("x", 100_000) // more than the pages in use have room for
	big, bigHold := *plainAllowance(), *plainHold()
	big.Reason, bigHold.SQL = long, long
	for name, err := range map[string]error{
		"Grant": j.Grant(t.Context(), &big),
		"Use":   j.Use(t.Context(), a.ID, long, 60, a.Time),
		"Hold":  j.Hold(t.Context(), &bigHold),
	} {
		if !errors.Is(err, ErrFull) {
			t.Errorf("%s on a full disk: %v", name, err)
		}
	}
	if got, err := j.Decide(t.Context(), h.ID, Granted, "ops", long, h.Time); !errors.Is(err, ErrFull) || got != nil {
		t.Errorf("Decide on a full disk: %+v, %v", got, err)
	}
	if got, err := j.Revoke(t.Context(), a.ID, long, a.Time); !errors.Is(err, ErrFull) || got != nil {
		t.Errorf("Revoke on a full disk: %+v, %v", got, err)
	}
	limitPages(t, j, 1<<30)

	all, err := j.Allowances(t.Context(), a.Time)
	if err != nil || len(all) != 1 || len(all[0].Uses) != 1 || all[0].Left(a.Time) != 60 {
		t.Errorf("allowances now: %+v, %v", all, err)
	}
	if err := j.Use(t.Context(), a.ID, "v", 60, a.Time); err != nil {
		t.Errorf("what is left: %v", err)
	}
	if holds, err := j.Holds(t.Context(), ""); err != nil || len(holds) != 1 || holds[0].State != Waiting {
		t.Errorf("holds now: %+v, %v", holds, err)
	}
	if _, err := j.Decide(t.Context(), h.ID, Granted, "ops", "", h.Time); err != nil {
		t.Errorf("Decide: %v", err)
	}
}

// The next transaction may build on a Use or a decision: they wait for the
// disk. What was taken back may be lost, on the safe side.
func TestApprovals_Synced(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	a, h := plainAllowance(), plainHold()
	unuse := func() {
		if err := j.Unuse(t.Context(), a.ID, "u"); err != nil {
			t.Fatal(err)
		}
		checkSynced(t, j, 1)
	}
	for name, write := range map[string]func() error{
		"Use": func() error { return j.Use(t.Context(), a.ID, "u", 1, a.Time) },
		"Decide": func() error {
			_, err := j.Decide(t.Context(), h.ID, Granted, "", "", h.Time)
			return err
		},
		"Revoke": func() error { _, err := j.Revoke(t.Context(), a.ID, "", a.Time); return err },
		"Grant":  func() error { return j.Grant(t.Context(), plainAllowance()) },
		"Hold":   func() error { return j.Hold(t.Context(), plainHold()) },
	} {
		a, h = plainAllowance(), plainHold()
		if err := errors.Join(j.Grant(t.Context(), a), j.Hold(t.Context(), h)); err != nil {
			t.Fatal(err)
		}
		unuse()
		if err := write(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkSynced(t, j, 2)
	}
}

func TestApprovals_DamageIsAnError(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	a, h := plainAllowance(), plainHold()
	if err := errors.Join(j.Grant(t.Context(), a), j.Hold(t.Context(), h)); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"allowance", "hold"} {
		if _, err := j.store.Load().write.ExecContext(t.Context(), "UPDATE "+table+" SET body = CAST(substr(body, 2) AS BLOB)"); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := j.Allowances(t.Context(), time.Time{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("allowances: %v, %v", all, err)
	}
	if all, err := j.Holds(t.Context(), ""); !errors.Is(err, ErrDamaged) {
		t.Errorf("holds: %v, %v", all, err)
	}
	if _, err := j.Decide(t.Context(), h.ID, Granted, "", "", h.Time); !errors.Is(err, ErrDamaged) {
		t.Errorf("Decide: %v", err)
	}
}
