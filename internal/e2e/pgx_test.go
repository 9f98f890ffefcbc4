package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var pgxModes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func TestPgx(t *testing.T) {
	for _, mode := range pgxModes {
		t.Run(mode.String(), func(t *testing.T) {
			same(t, func(t *testing.T, url string) string {
				config, err := pgx.ParseConfig(url)
				if err != nil {
					t.Fatal(err)
				}
				config.DefaultQueryExecMode = mode
				p := &pgxSuite{ctx: t.Context()}
				config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { p.say("notice %s %s", n.Severity, n.Message) }
				config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { p.say("notification %s %s", n.Channel, n.Payload) }
				if p.Conn, err = pgx.ConnectConfig(t.Context(), config); err != nil {
					t.Fatal(err)
				}
				defer p.Close(context.Background())
				p.run()
				return p.out.String()
			})
		})
	}
}

// pgxSuite writes down what pgx sees of a server.
type pgxSuite struct {
	*pgx.Conn
	ctx context.Context
	out strings.Builder
}

func (p *pgxSuite) say(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

func (p *pgxSuite) failed(err error) {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		p.say("error %s %s %s position %d %q %q %s %s", e.Severity, e.Code, e.Message, e.Position, e.Detail, e.Hint, e.TableName, e.ConstraintName)
	} else {
		p.say("error of the client")
	}
}

// query runs SQL and writes down its rows, tag, and the status after it.
func (p *pgxSuite) query(sql string, args ...any) {
	rows, err := p.Query(p.ctx, sql, args...)
	if err == nil {
		p.rows(rows)
	} else {
		p.failed(err)
	}
	p.say("status %c", p.PgConn().TxStatus())
}

func (p *pgxSuite) rows(rows pgx.Rows) {
	for rows.Next() {
		if values, err := rows.Values(); err != nil {
			p.failed(err)
		} else {
			p.say("row %v", values)
		}
	}
	for _, f := range rows.FieldDescriptions() {
		p.say("column %s %d %d %d format %d", f.Name, f.DataTypeOID, f.TypeModifier, f.TableAttributeNumber, f.Format)
	}
	if err := rows.Err(); err != nil {
		p.failed(err)
	}
	p.say("tag %s", rows.CommandTag())
}

func (p *pgxSuite) run() {
	for _, sql := range []string{
		"CREATE TABLE parent (id int PRIMARY KEY, v text, n numeric, j jsonb, at timestamptz)",
		"CREATE TABLE child (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), parent_id int REFERENCES parent ON DELETE CASCADE)",
		"CREATE TABLE strict (parent_id int CONSTRAINT strictly REFERENCES parent)",
		"INSERT INTO parent SELECT n, 'v' || n, n / 7.0, jsonb_build_object('n', n), '2024-01-01Z'::timestamptz + n * interval '1 day' FROM generate_series(1, 400) n",
		"INSERT INTO child (parent_id) SELECT n % 400 + 1 FROM generate_series(1, 900) n",
		"INSERT INTO strict VALUES (300)",
	} {
		if _, err := p.Exec(p.ctx, sql); err != nil {
			p.failed(err)
		}
	}
	p.queries()
	p.deletes()
	p.batches()
	p.copies()
	p.transactions()
	p.rest()
}

func (p *pgxSuite) queries() {
	p.query("SELECT $1::int + 1, $2::text, $3::timestamptz", 41, "ä", "2024-02-29T12:00:00Z")
	p.query("SELECT id, n::text, j, at FROM parent WHERE id = $1", 7)
	p.query("SELECT count(*), md5(string_agg(v || repeat('x', 3000), ',' ORDER BY id)) FROM parent")
	p.query("SELECT repeat('long ', 400000) <> '' FROM generate_series(1, 3)")
	p.query("SELECT nothing FROM parent")
	p.query("SELECT 1 / $1::int", 0)
	p.query("")
	p.query("DO $$ BEGIN RAISE NOTICE 'noticed'; END $$")
}

func (p *pgxSuite) deletes() {
	for id := range 8 {
		p.query("DELETE FROM parent WHERE id = $1", id)
		p.query("DELETE FROM parent WHERE id = $1 RETURNING id, n::text, j, at", id+20)
	}
	p.query("DELETE FROM parent WHERE id = any($1) RETURNING v", []int32{30, 31, 32})
	p.query("DELETE FROM parent USING child WHERE parent.id = child.parent_id AND parent.id = $1 RETURNING parent.id, child.parent_id", 33)
	p.query("WITH g AS (DELETE FROM parent WHERE id BETWEEN $1 AND $2 RETURNING id) SELECT sum(id) FROM g", 34, 36)
	p.query("DELETE FROM parent WHERE id = $1", 300)
	p.query("DELETE FROM parent WHERE nothing = $1", 1)
	p.query("DELETE FROM parent WHERE id = 37 AND 1 / (id - 37) = 0")
	p.query("DELETE FROM child WHERE parent_id = $1", 38)
	// Several statements are one simple Query whatever the mode.
	results, err := p.PgConn().Exec(p.ctx, "DELETE FROM parent WHERE id = 39; SELECT 'between'; DELETE FROM parent WHERE id = 40 RETURNING id; SELECT 1/0; DELETE FROM parent WHERE id = 41").ReadAll()
	for _, r := range results {
		p.say("result %s %s", r.CommandTag, r.Rows)
	}
	if err != nil {
		p.failed(err)
	}
	p.query("SELECT id FROM parent WHERE id BETWEEN 37 AND 41 ORDER BY id")
}

func (p *pgxSuite) batches() {
	for _, ids := range [][]int{{50, 51, 52}, {53, 300, 54}} {
		b := &pgx.Batch{}
		for _, id := range ids {
			b.Queue("DELETE FROM parent WHERE id = $1 RETURNING id", id)
			b.Queue("SELECT count(*) FROM parent WHERE id = $1", id)
			b.Queue("DELETE FROM child WHERE parent_id = $1", id+100)
		}
		results := p.SendBatch(p.ctx, b)
		for range b.QueuedQueries {
			rows, err := results.Query()
			if err != nil {
				p.failed(err)
				continue
			}
			p.rows(rows)
		}
		if err := results.Close(); err != nil {
			p.failed(err)
		}
		p.say("status %c", p.PgConn().TxStatus())
	}
	p.query("SELECT id FROM parent WHERE id BETWEEN 50 AND 54 ORDER BY id")

	pipeline := p.PgConn().StartPipeline(p.ctx)
	for id := 60; id < 90; id++ {
		pipeline.SendQueryParams("DELETE FROM parent WHERE id = $1", [][]byte{fmt.Append(nil, id)}, nil, nil, nil)
		if id%10 == 9 {
			if err := pipeline.Sync(); err != nil {
				p.failed(err)
			}
		}
	}
	for results := 0; results < 30; {
		got, err := pipeline.GetResults()
		if err != nil {
			p.failed(err)
			break
		}
		if r, ok := got.(*pgconn.ResultReader); ok {
			tag, err := r.Close()
			p.say("pipelined %s %v", tag, err)
			results++
		}
	}
	if err := pipeline.Close(); err != nil {
		p.failed(err)
	}
}

func (p *pgxSuite) copies() {
	n, err := p.CopyFrom(p.ctx, pgx.Identifier{"parent"}, []string{"id", "v"}, pgx.CopyFromSlice(5000, func(i int) ([]any, error) {
		return []any{i + 10000, strings.Repeat("c", i)}, nil
	}))
	p.say("copied %d %v", n, err)
	_, err = p.CopyFrom(p.ctx, pgx.Identifier{"parent"}, []string{"id"}, pgx.CopyFromRows([][]any{{10000}}))
	p.failed(err)
	_, err = p.CopyFrom(p.ctx, pgx.Identifier{"parent"}, []string{"id"}, pgx.CopyFromFunc(func() ([]any, error) { return nil, errors.New("the client gives up") }))
	p.failed(err)
	tag, err := p.PgConn().CopyTo(p.ctx, io.Discard, "COPY parent TO STDOUT")
	p.say("%s %v", tag, err)
	tag, err = p.PgConn().CopyFrom(p.ctx, strings.NewReader("1\tno such column count\tx\n"), "COPY strict FROM STDIN")
	p.say("%s", tag)
	p.failed(err)
}

func (p *pgxSuite) transactions() {
	p.query("BEGIN")
	p.query("DELETE FROM parent WHERE id = 100")
	p.query("SAVEPOINT s")
	p.query("DELETE FROM parent WHERE id = 101")
	p.query("DELETE FROM parent WHERE id = 300")
	p.query("DELETE FROM parent WHERE id = 102")
	p.query("ROLLBACK TO s")
	p.query("DELETE FROM parent WHERE id = 103")
	p.query("COMMIT")
	p.query("SELECT id FROM parent WHERE id BETWEEN 100 AND 103 ORDER BY id")
	p.query("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE")
	p.query("DELETE FROM parent WHERE id = 104")
	p.query("ROLLBACK")
	// A constraint that fails at COMMIT.
	p.query("ALTER TABLE strict ALTER CONSTRAINT strictly DEFERRABLE INITIALLY DEFERRED")
	p.query("DELETE FROM parent WHERE id = 300")
	p.query("BEGIN")
	p.query("DELETE FROM parent WHERE id = 300")
	p.query("COMMIT")
	p.query("SELECT count(*) FROM parent WHERE id = 300")
}

func (p *pgxSuite) rest() {
	tx, err := p.Begin(p.ctx)
	if err != nil {
		p.failed(err)
		return
	}
	objects := tx.LargeObjects()
	oid, err := objects.Create(p.ctx, 0)
	if err != nil {
		p.failed(err)
	}
	object, err := objects.Open(p.ctx, oid, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
	if err != nil {
		p.failed(err)
		return
	}
	n, err := object.Write([]byte(strings.Repeat("large ", 5000)))
	p.say("large object: %d %v", n, err)
	if err := tx.Rollback(p.ctx); err != nil {
		p.failed(err)
	}
	p.query("LISTEN ch")
	p.query("NOTIFY ch, 'load'")
	if _, err := p.Prepare(p.ctx, "named", "DELETE FROM parent WHERE id = $1 RETURNING v"); err != nil {
		p.failed(err)
	}
	for id := 200; id < 207; id++ {
		p.query("named", id)
	}
	if _, err := p.Prepare(p.ctx, "broken", "DELETE FROM parent WHERE nothing"); err != nil {
		p.failed(err)
	}
	if err := p.Deallocate(p.ctx, "named"); err != nil {
		p.failed(err)
	}
	p.query("SELECT count(*), sum(id) FROM parent")
	p.query("SELECT count(*) FROM child")
	p.query("SELECT statement FROM pg_prepared_statements WHERE name NOT LIKE 'stmtcache%'")
	p.query("SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid()")
}
