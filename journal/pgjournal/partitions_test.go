package pgjournal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/upkeep"
)

// partitioned is a journal whose partitions a test fills.
type partitioned struct {
	*testing.T
	url string
	journal.Journal
}

func openPartitioned(t *testing.T) partitioned {
	t.Helper()
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	return partitioned{t, url, openAt(t, url, journal.Options{})}
}

// drawn goes on as if numbers up to n had been drawn.
func (p partitioned) drawn(n int64) {
	p.Helper()
	pgtest.Exec(p.T, p.url, fmt.Sprintf("SELECT setval('rowback_journal.entry_no_seq', %d)", n))
}

// append stores an entry of two keys, and settles it unless it stays in doubt.
func (p partitioned) append(o journal.Outcome) *journal.Entry {
	p.Helper()
	e := newEntry()
	e.Tables[0].Key = []journal.Column{{Name: "id", Type: "bigint"}}
	err := p.Append(p.Context(), e, twoKeys(p.T))
	if err == nil && o != journal.InDoubt {
		err = p.Settle(p.Context(), e.ID, o)
	}
	if err != nil {
		p.Fatal(err)
	}
	return e
}

func (p partitioned) remove(entries ...*journal.Entry) {
	p.Helper()
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	if err := p.Journal.(journal.Keeper).Remove(p.Context(), ids); err != nil {
		p.Fatal(err)
	}
}

// holds are the partitions of block there are, with how many blocks each has, and that of
// image go with them.
func (p partitioned) holds(want string) {
	p.Helper()
	conn, err := pgx.Connect(p.Context(), p.url)
	if err != nil {
		p.Fatal(err)
	}
	defer conn.Close(context.Background())
	var got, images, said string
	if _, err := conn.Exec(p.Context(), "SET search_path = rowback_journal"); err != nil {
		p.Fatal(err)
	}
	list := `SELECT coalesce(string_agg(replace(c.relname, '%[1]s_', '') || '=' || (SELECT count(*) FROM %[1]s b WHERE b.tableoid = c.oid), ' ' ORDER BY replace(c.relname, '%[1]s_', '')::bigint), '')
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE inhparent = '%[1]s'::regclass`
	if err := conn.QueryRow(p.Context(), fmt.Sprintf(list, "block")).Scan(&got); err != nil {
		p.Fatal(err)
	}
	if err := conn.QueryRow(p.Context(), fmt.Sprintf(list, "image")).Scan(&images); err != nil {
		p.Fatal(err)
	}
	if err := conn.QueryRow(p.Context(), "SELECT string_agg(lower::text, ' ' ORDER BY lower) FROM partition").Scan(&said); err != nil {
		p.Fatal(err)
	}
	if got != want {
		p.Errorf("partitions of block: %s, want %s", got, want)
	}
	names := func(s string) (names string) {
		for _, f := range strings.Fields(s) {
			names += " " + strings.Split(f, "=")[0]
		}
		return strings.TrimSpace(names)
	}
	if names(images) != names(got) || said != names(got) {
		p.Errorf("of image: %s; said to be: %s", images, said)
	}
}

func (p partitioned) whole(entries int64) {
	p.Helper()
	if v, err := upkeep.Verify(p.Context(), p.Journal); err != nil || !v.OK() || v.Entries != entries || v.Keys != 2*entries {
		p.Errorf("verified %+v, %v; want %d entries of two keys", v, err, entries)
	}
}

// The next partition is there before it is needed, and a partition goes with its last entry.
func TestPartitions_ComeAndGo(t *testing.T) {
	p := openPartitioned(t)
	a, doubted := p.append(journal.Committed), p.append(journal.InDoubt)
	p.holds("0=2")
	p.drawn(5001)
	b := p.append(journal.RolledBack)
	p.holds("0=3 10001=0")
	p.append(journal.Committed) // a second one of the same half makes none
	p.holds("0=4 10001=0")
	p.drawn(10000)
	c := p.append(journal.Committed)
	p.holds("0=4 10001=1")

	p.remove(a)
	p.holds("0=4 10001=1") // until nothing else is there
	p.whole(4)
	p.drawn(5003)
	d := p.append(journal.Committed)
	p.drawn(10001)
	p.remove(b, d)
	p.holds("0=5 10001=1")
	var rest []*journal.Entry
	for e, err := range p.Entries(t.Context(), journal.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.ID != doubted.ID && e.ID != c.ID {
			rest = append(rest, e)
		}
	}
	p.remove(rest...)
	p.holds("0=1 10001=1") // what is in doubt stays, alone
	p.whole(2)
	if err := p.Settle(t.Context(), doubted.ID, journal.Committed); err != nil {
		t.Fatal(err)
	}
	p.remove(doubted)
	p.holds("10001=1")
	p.whole(1)
	p.remove(c) // the last partition stays
	p.holds("10001=1")
	p.append(journal.Committed)
	p.whole(1)
}

// Where nobody has made the next partition in time, whoever needs it does.
func TestPartitions_NoneInTime(t *testing.T) {
	p := openPartitioned(t)
	p.append(journal.Committed)
	p.drawn(123456)
	p.append(journal.Committed)
	p.whole(2)
	if n := number(t, p.url, "SELECT max(upper) FROM rowback_journal.partition"); n <= 123456 {
		t.Errorf("the last partition ends at %d", n)
	}
}

// Keys and images of a large entry do not wait for the others of their partition.
func TestPartitions_LargeEntries(t *testing.T) {
	p := openPartitioned(t)
	p.append(journal.Committed)
	e, keys := newEntry(), twoKeys(t)
	e.Tables[0].Key = []journal.Column{{Name: "id", Type: "bigint"}}
	if err := errors.Join(p.Append(t.Context(), e, keys), p.Settle(t.Context(), e.ID, journal.Committed)); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, p.url, "UPDATE rowback_journal.entry SET bytes = 100000 WHERE id = '"+e.ID+"'")
	p.holds("0=2")
	p.remove(e)
	p.holds("0=1")
	p.whole(1)
}

// Shrink leaves no block of what is gone.
func TestPartitions_Shrink(t *testing.T) {
	p := openPartitioned(t)
	p.append(journal.Committed)
	p.remove(p.append(journal.Committed))
	p.holds("0=2")
	if err := p.Journal.(journal.Keeper).Shrink(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.holds("0=1")
	p.whole(1)
}

// Who writes, or reads, is not waited for: the partition goes the next time.
func TestPartitions_InUse(t *testing.T) {
	p := openPartitioned(t)
	a, b := p.append(journal.Committed), p.append(journal.Committed)
	p.drawn(10000)
	c := p.append(journal.Committed)
	p.holds("0=2 10001=1")
	reader, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close(context.Background())
	if _, err := reader.Exec(t.Context(), "BEGIN; SELECT FROM rowback_journal.block"); err != nil {
		t.Fatal(err)
	}
	p.remove(a, b)
	p.holds("0=2 10001=1")
	if _, err := reader.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	p.remove(c)
	p.holds("10001=1")
}

// An entry that is stored while its partition is about to go keeps it there.
func TestPartitions_StoredMeanwhile(t *testing.T) {
	p := openPartitioned(t)
	a, b := p.append(journal.Committed), p.append(journal.Committed)
	p.drawn(10000)
	p.append(journal.Committed)
	writer, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close(context.Background())
	// Of a, whose number it has, another one is made: stored, and not yet committed.
	if _, err := writer.Exec(t.Context(), `SET search_path = rowback_journal; CREATE TEMP TABLE copy AS SELECT * FROM entry WHERE id = '`+a.ID+`'; UPDATE copy SET no = 77, id = 'other';
		BEGIN; LOCK TABLE block IN ROW EXCLUSIVE MODE; INSERT INTO entry OVERRIDING SYSTEM VALUE SELECT * FROM copy;
		INSERT INTO block SELECT 77, b.no, b.rows, b.data FROM block b WHERE entry = 1`); err != nil {
		t.Fatal(err)
	}
	removed := make(chan error, 1)
	go func() { removed <- p.Journal.(journal.Keeper).Remove(context.Background(), []string{a.ID, b.ID}) }()
	var pending bool
	eventually(t, "removed, or waiting", func() bool {
		select {
		case err := <-removed:
			removed <- err
			return true
		default:
			pending = number(t, p.url, "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") > 0
			return pending
		}
	})
	if _, err := writer.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-removed; err != nil {
		t.Fatal(err)
	}
	t.Logf("the removal waited: %v", pending)
	if err := p.Journal.(journal.Keeper).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// A user who may write rows alone is none the worse for it.
func TestPartitions_NotTheOwner(t *testing.T) {
	p := openPartitioned(t)
	p.append(journal.Committed)
	pgtest.Exec(t, p.url, "DROP ROLE IF EXISTS writer", "CREATE ROLE writer LOGIN", "GRANT USAGE ON SCHEMA rowback_journal TO writer",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rowback_journal TO writer")
	q := partitioned{t, strings.Replace(p.url, "//postgres@", "//writer@", 1), nil}
	if q.url == p.url {
		t.Fatalf("no user in %s", p.url)
	}
	q.Journal = openAt(t, q.url, journal.Options{})
	p.drawn(123456)
	q.append(journal.Committed)
	p.whole(2)
	t.Cleanup(func() { pgtest.Exec(t, p.url, "DROP OWNED BY writer", "DROP ROLE writer") })
}

// Writers, and a fleet's upkeep, side by side, while partitions come and go.
func TestPartitions_UnderLoad(t *testing.T) {
	p := openPartitioned(t)
	others := []journal.Journal{openAt(t, p.url, journal.Options{Proxy: "a"}), openAt(t, p.url, journal.Options{Proxy: "b"})}
	kept := make(chan *journal.Entry, 1000)
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for n := range 60 {
				q := partitioned{t, p.url, others[i%2]}
				e := newEntry()
				e.Tables[0].Key = []journal.Column{{Name: "id", Type: "bigint"}}
				if err := errors.Join(q.Append(t.Context(), e, twoKeys(t)), q.Settle(t.Context(), e.ID, journal.Committed)); err != nil {
					t.Error(err)
					return
				}
				if n%3 == 0 {
					kept <- e
				} else if err := q.Journal.(journal.Keeper).Remove(t.Context(), []string{e.ID}); err != nil {
					t.Error(err)
				}
				if i == 0 { // most of a partition's numbers go by
					if _, err := exec(t, p.url, "SELECT setval('rowback_journal.entry_no_seq', nextval('rowback_journal.entry_no_seq') + (SELECT (upper - lower) / 3 FROM rowback_journal.partition ORDER BY lower DESC LIMIT 1))"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	close(kept)
	n := int64(0)
	var all []*journal.Entry
	for e := range kept {
		n++
		all = append(all, e)
	}
	p.whole(n)
	if made := number(t, p.url, "SELECT count(*) FROM rowback_journal.partition"); made < 2 {
		t.Errorf("%d partitions: the load was none", made)
	}
	for len(all) > 0 {
		some := all[:min(50, len(all))]
		p.remove(some...)
		all = all[len(some):]
	}
	p.whole(0)
	if left := number(t, p.url, "SELECT count(*) FROM rowback_journal.partition WHERE upper <= (SELECT last_value FROM rowback_journal.entry_no_seq)"); left > 1 {
		t.Errorf("%d partitions are left, and nothing in them", left)
	}
}

func exec(t *testing.T, url, sql string) (tag string, err error) {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.Background())
	done, err := conn.Exec(t.Context(), sql)
	return done.String(), err
}
