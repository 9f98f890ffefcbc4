package sqlparse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rowback/rowback/internal/pgtest"
)

// TestCapture_ReportsWhatVanishes builds random databases, runs random DELETEs
// in their captured form, and compares the rows reported with the rows that
// are gone or lost a link, and the client's columns with those of the bare
// statement.
func TestCapture_ReportsWhatVanishes(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t, evil))
	removed, cutLinks, wrapped, rows, circles := 0, 0, 0, 0, 0
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newShape(r)
		conn := connect(t, url)
		ok := t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			ctx := context.Background()
			run(t, conn, "BEGIN; "+s.ddl())
			for range 3 {
				run(t, conn, "SAVEPOINT s")
				run(t, conn, keySessions[r.IntN(len(keySessions))])
				c := checkCapture(t, conn, s)
				removed, cutLinks, rows = removed+c.removed, cutLinks+c.cut, rows+c.direct
				if c.wrapped {
					wrapped++
				}
				if c.circle {
					circles++
				}
				run(t, conn, "ROLLBACK TO s")
			}
			if err := conn.Close(ctx); err != nil {
				t.Fatal(err)
			}
		})
		if !ok {
			t.Fatalf("seed %d:\n%s", seed, newShape(rand.New(rand.NewPCG(seed, 1))).ddl())
		}
	}
	if removed <= rows || rows == 0 || cutLinks == 0 || wrapped == 0 || circles < 20 {
		t.Errorf("the shapes are too tame: %d rows removed, %d of them directly, %d links cut, %d wrapped, %d with circles", removed, rows, cutLinks, wrapped, circles)
	}
}

type checked struct {
	removed, direct, cut int
	wrapped, circle      bool
}

func checkCapture(t *testing.T, conn *pgx.Conn, s *shape) checked {
	t.Helper()
	target := s.tables[s.rand.IntN(len(s.tables))]
	steps, tables := s.steps(target, s.rand.IntN(3) == 0)
	sql := randomDelete(s, target)
	statement := parseDelete(t, sql)

	described, err := conn.PgConn().Prepare(context.Background(), "", sql, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	run(t, conn, "SAVEPOINT bare")
	results, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
	run(t, conn, "ROLLBACK TO bare")
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) && e.Code == "23503" {
		return checked{} // a row that one key cuts and another removes: the server itself fails sometimes
	} else if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	bare := results[0]
	whole, lock := s.rand.IntN(2) == 0, s.rand.IntN(2) == 0
	images := map[string]string{}
	for i := range steps {
		if whole && len(steps[i].Old) == 0 {
			steps[i].Image, steps[i].Lock = tables[i].images(), lock
		}
	}
	capture := Capture{Steps: steps, ClientColumns: len(described.Fields), HexText: s.rand.IntN(3) == 0}
	captured, err := statement.Capture(capture)
	if errors.Is(err, ErrKeyType) && strings.Contains(err.Error(), "money") {
		return checked{} // no recursion over money
	}
	if err != nil {
		t.Fatalf("%v\n%s\n%+v", err, sql, steps)
	}
	before, linksBefore := snapshot(t, conn, s)
	for _, table := range s.tables {
		sql := fmt.Sprintf("SELECT %s, %s FROM %s x", ImageExpr("x", table.images(), capture.HexText), s.keyTexts(t, table), table.qualified())
		for _, row := range run(t, conn, sql)[0].Rows {
			images[table.name+":"+values(t, row[1:], false)] = string(row[0])
		}
	}
	result := run(t, conn, captured.SQL)[0]
	after, linksAfter := snapshot(t, conn, s)

	var want []string
	for row := range before {
		if !after[row] {
			want = append(want, row)
		}
	}
	cut := 0
	for link := range linksBefore {
		if row, _, _ := strings.Cut(link, " lost "); !linksAfter[link] && after[row] {
			want = append(want, link)
			cut++
		}
	}
	var got, client []string
	for _, row := range result.Rows {
		clientPart, ours := row[:len(row)-captured.Width], ours(captured, row)
		index, err := strconv.Atoi(string(ours[0]))
		if err != nil {
			t.Fatal(err)
		}
		step, table := steps[0], target
		if index != captured.SelfStep {
			step, table = steps[index], tables[index]
		}
		line := table.name + ":" + values(t, ours[2:2+len(step.Key)], capture.HexText)
		if len(step.Old) > 0 {
			line += " lost " + strings.Join(names(step.Old), ",") + values(t, ours[2+len(step.Key):][:len(step.Old)], capture.HexText)
		}
		got = append(got, line)
		if captured.Image != whole {
			t.Fatalf("images: %v", captured.Image)
		}
		if image := ours[len(ours)-1]; whole && len(step.Old) == 0 && string(image) != images[line] {
			t.Errorf("step %d, image of %s: %q, want %q", index, line, image, images[line])
		}
		if index == 0 {
			client = append(client, fmt.Sprintf("%q", clientPart))
		} else if slices.ContainsFunc(clientPart, func(v []byte) bool { return v != nil }) {
			t.Errorf("a row of step %d has client columns: %q", index, clientPart)
		}
	}
	var bareRows []string
	for _, row := range bare.Rows {
		bareRows = append(bareRows, fmt.Sprintf("%q", row))
	}
	compare(t, captured.SQL, "rows", got, want)
	if statement.Returning {
		compare(t, captured.SQL, "client columns", client, bareRows)
	}
	if n := int64(len(client)); n != bare.CommandTag.RowsAffected() {
		t.Errorf("%d rows directly, the bare statement says %s", n, bare.CommandTag)
	}
	if captured.Wrapped == result.CommandTag.Delete() {
		t.Errorf("wrapped %v, tag %s", captured.Wrapped, result.CommandTag)
	}
	return checked{removed: len(want) - cut, direct: len(client), cut: cut, wrapped: captured.Wrapped, circle: strings.Contains(captured.SQL, "(n, t, i) AS (WITH RECURSIVE")}
}

// images are all columns of a table; two in three with a form of their own.
func (t *shapeTable) images() (out []ImageColumn) {
	for i, k := range t.key {
		out = append(out, ImageColumn{Name: k.Name, Text: i == 1})
	}
	return append(out, ImageColumn{Name: "v", Text: len(t.links) > 0})
}

func (s *shape) keyTexts(t *testing.T, table *shapeTable) string {
	var list []string
	for _, k := range table.key {
		text, err := keyText("x."+quoteIdent(k.Name), k.Type)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// randomDelete avoids "=", which an evil search_path redefines.
func randomDelete(s *shape, target *shapeTable) string {
	r := s.rand
	name, ref := target.qualified(), quoteIdent(target.name)
	with, using, alias := "", "", ""
	switch r.IntN(4) {
	case 0:
		alias = " AS \"Victim\""
		ref = `"Victim"`
	case 1:
		using = " USING " + s.tables[0].qualified() + " AS u"
	case 2:
		with, using = "WITH d AS (SELECT 1 AS t), x AS (SELECT t FROM d) ", " USING d AS d1, x AS x1"
	}
	key := target.key[0]
	from := r.IntN(target.rows)
	where := fmt.Sprintf("%s.%s BETWEEN least(%[3]s, %[4]s) AND greatest(%[3]s, %[4]s)", ref, quoteIdent(key.Name),
		fmt.Sprintf(shapeValues[key.Type], from), fmt.Sprintf(shapeValues[key.Type], min(target.rows-1, from+r.IntN(3))))
	returning := []string{"", " RETURNING " + ref + ".*", " RETURNING 1 AS t, NULL, 'x', " + ref + "." + quoteIdent(key.Name) + ", " + ref + "::text -- end", " RETURNING *"}[r.IntN(4)]
	if using != "" && strings.HasSuffix(returning, " *") {
		returning = " RETURNING " + ref + ".*"
	}
	return with + "DELETE FROM " + name + alias + using + " WHERE " + where + returning
}

// snapshot reads all rows as "table:key" and all links as "table:key lost columns:values".
func snapshot(t *testing.T, conn *pgx.Conn, s *shape) (rows, links map[string]bool) {
	t.Helper()
	rows, links = map[string]bool{}, map[string]bool{}
	for _, table := range s.tables {
		read := func(columns []KeyColumn) [][][]byte {
			var list []string
			for _, c := range columns {
				text, err := keyText(quoteIdent(c.Name), c.Type)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, text)
			}
			return run(t, conn, "SELECT "+strings.Join(list, ", ")+" FROM "+table.qualified())[0].Rows
		}
		for _, row := range read(table.key) {
			rows[table.name+":"+values(t, row, false)] = true
		}
		for _, l := range table.links {
			if !l.cuts {
				continue
			}
			for _, row := range read(append(slices.Clone(table.key), l.columns...)) {
				key, link := row[:len(table.key)], row[len(table.key):]
				links[table.name+":"+values(t, key, false)+" lost "+strings.Join(names(l.columns), ",")+values(t, link, false)] = true
			}
		}
	}
	return rows, links
}

func values(t *testing.T, row [][]byte, isHex bool) string {
	t.Helper()
	var out []string
	for _, v := range row {
		if isHex && v != nil {
			text, err := hex.DecodeString(string(v))
			if err != nil {
				t.Fatal(err)
			}
			v = text
		}
		out = append(out, fmt.Sprintf("%q/%v", v, v == nil))
	}
	return strings.Join(out, " ")
}

func compare(t *testing.T, sql, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	count := map[string]int{}
	for _, g := range got {
		count[g]++
	}
	for _, w := range want {
		count[w]--
	}
	maps.DeleteFunc(count, func(_ string, n int) bool { return n == 0 })
	t.Errorf("%s: too many (+) or missing (-): %v\n%s", what, count, sql)
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, conn *pgx.Conn, sql string) []*pgconn.Result {
	t.Helper()
	results, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return results
}

// ours are the captured columns of a row, with the step index where it was left out.
func ours(captured Captured, row [][]byte) [][]byte {
	own := row[len(row)-captured.Width:]
	if captured.Bare {
		return append([][]byte{[]byte("0")}, own...)
	}
	return own
}
