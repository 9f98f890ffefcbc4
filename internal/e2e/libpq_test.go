package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lib/pq"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestLibPQ(t *testing.T) {
	for _, options := range []string{"", "&binary_parameters=yes"} {
		t.Run(options, func(t *testing.T) {
			direct := pqRun(t, pgtest.Shared(t).URL(tables(t))+options)
			database := tables(t)
			compare(t, direct, pqRun(t, proxied(t, database)+options))
			evident(t, database)
		})
	}
}

func TestLibPQ_ABlockedDelete(t *testing.T) {
	db, err := sql.Open("postgres", proxied(t, tables(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, args := range [][]any{{"DELETE FROM parent WHERE id <= 600"}, {"DELETE FROM parent WHERE id <= $1", 600}} {
		var e *pq.Error
		if _, err := db.ExecContext(t.Context(), args[0].(string), args[1:]...); !errors.As(err, &e) || e.Code != "RB001" {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// pqSuite writes down what lib/pq sees of a server.
type pqSuite struct {
	*sql.Conn
	ctx context.Context
	out strings.Builder
}

func (p *pqSuite) say(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

func (p *pqSuite) failed(err error) {
	var e *pq.Error
	if errors.As(err, &e) {
		p.say("error %s %s %s position %s %q %s %s", e.Severity, e.Code, e.Message, e.Position, e.Detail, e.Table, e.Constraint)
	} else {
		p.say("error of the client: %v", err)
	}
}

func (p *pqSuite) exec(sql string, args ...any) {
	if r, err := p.ExecContext(p.ctx, sql, args...); err != nil {
		p.failed(err)
	} else {
		n, err := r.RowsAffected()
		p.say("affected %d %v", n, err)
	}
}

// query writes down every result set.
func (p *pqSuite) query(sql string, args ...any) {
	rows, err := p.QueryContext(p.ctx, sql, args...)
	if err != nil {
		p.failed(err)
		return
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		types, err := rows.ColumnTypes()
		if err != nil {
			p.failed(err)
		}
		for _, c := range types {
			p.say("column %s %s", c.Name(), c.DatabaseTypeName())
		}
		for rows.Next() {
			values := make([]any, len(types))
			at := make([]any, len(types))
			for i := range values {
				at[i] = &values[i]
			}
			if err := rows.Scan(at...); err != nil {
				p.failed(err)
			}
			p.say("row %v", values)
		}
	}
	if err := rows.Err(); err != nil {
		p.failed(err)
	}
}

func pqRun(t *testing.T, url string) string {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := &pqSuite{ctx: t.Context()}
	if p.Conn, err = db.Conn(p.ctx); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.query("SELECT * FROM parent WHERE id = $1", 7)
	p.query("SELECT 1; SELECT 2, 'two'")
	for _, q := range []string{"SELECT nothing", "SELEC 1", "SELECT 1/0", "INSERT INTO parent (id, v) VALUES (1, 'again')", "SELECT 1; SELECT 1/0", ""} {
		p.query(q)
	}
	for id := 1; id < 6; id++ {
		p.exec("DELETE FROM parent WHERE id = $1", id)
		p.exec(fmt.Sprintf("DELETE FROM parent WHERE id = %d", id+10))
		p.query("DELETE FROM parent WHERE id = $1 RETURNING id, v, n, j, at, b", id+20)
	}
	p.query("DELETE FROM parent WHERE id = 30; DELETE FROM parent WHERE id = 31 RETURNING id; SELECT 'last'")
	p.exec("DELETE FROM parent WHERE id = 32; SELECT 1/0; DELETE FROM parent WHERE id = 33")
	p.query("DELETE FROM parent WHERE id = ANY($1) RETURNING id", pq.Array([]int64{34, 35, 36}))
	for _, id := range []any{1400, 1401, "seven"} {
		p.exec("DELETE FROM parent WHERE id = $1", id)
	}
	p.exec("DELETE FROM parent WHERE nothing = $1", 1)
	p.exec("DELETE FROM parent WHERE id BETWEEN 100 AND 199")
	p.prepared()
	p.transactions()
	p.copies()
	p.query("SELECT count(*), sum(id), md5(string_agg(v, ',' ORDER BY id)) FROM parent")
	p.query("SELECT count(*), sum(parent_id) FROM child")
	p.query("SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'DELETE%'")
	p.canceled(db)
	return p.out.String()
}

func (p *pqSuite) prepared() {
	st, err := p.PrepareContext(p.ctx, "DELETE FROM parent WHERE id = $1")
	if err != nil {
		p.failed(err)
		return
	}
	for _, id := range []int{40, 41, 1400, 42} {
		if r, err := st.ExecContext(p.ctx, id); err != nil {
			p.failed(err)
		} else {
			n, _ := r.RowsAffected()
			p.say("affected %d", n)
		}
	}
	if err := st.Close(); err != nil {
		p.failed(err)
	}
}

func (p *pqSuite) transactions() {
	for _, q := range []string{"BEGIN", "DELETE FROM parent WHERE id = 50", "SAVEPOINT s", "DELETE FROM parent WHERE id = 51", "DELETE FROM parent WHERE id = 1400",
		"ROLLBACK TO s", "DELETE FROM parent WHERE id = 52", "COMMIT", "BEGIN READ ONLY", "DELETE FROM parent WHERE id = 53", "ROLLBACK"} {
		p.exec(q)
	}
	for _, id := range []int{54, 1401} {
		tx, err := p.BeginTx(p.ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
		if err != nil {
			p.failed(err)
			return
		}
		if _, err := tx.ExecContext(p.ctx, "DELETE FROM parent WHERE id = $1", id); err != nil {
			p.failed(err)
		}
		if err := tx.Commit(); err != nil {
			p.failed(err)
		}
	}
}

func (p *pqSuite) copies() {
	for _, first := range []int{10000, 10000} { // the second time they are there
		tx, err := p.BeginTx(p.ctx, nil)
		if err != nil {
			p.failed(err)
			return
		}
		st, err := tx.PrepareContext(p.ctx, `COPY "parent" ("id", "v") FROM STDIN`)
		if err != nil {
			p.failed(err)
			return
		}
		for i := range 2000 {
			if _, err := st.ExecContext(p.ctx, first+i, fmt.Sprint("copied ", i)); err != nil {
				break // reported again at the end
			}
		}
		if _, err := st.ExecContext(p.ctx); err != nil {
			p.failed(err)
		}
		if err := st.Close(); err != nil {
			p.failed(err)
		}
		if err := tx.Commit(); err != nil {
			p.say("not committed")
		}
	}
}

// canceled: lib/pq sends a cancel request when the context ends.
func (p *pqSuite) canceled(db *sql.DB) {
	ctx, cancel := context.WithCancel(p.ctx)
	watched := make(chan error, 1)
	go func() {
		var err error
		for n := 0; err == nil && n == 0; {
			err = db.QueryRowContext(p.ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'").Scan(&n)
		}
		cancel()
		watched <- err
	}()
	_, err := p.ExecContext(ctx, "DELETE FROM parent WHERE id = 60 AND pg_sleep(600) IS NOT NULL")
	p.failed(err)
	if err := <-watched; err != nil {
		p.failed(err)
	}
}
