package recovery

import (
	"context"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/catalog"
)

// Session is a session with one of the two databases, for the tools beside
// restore (see the packages below this one). Values travel as text unharmed,
// rows hidden by row-level security are an error, and errors name the database
// without showing what rows hold.
type Session struct{ side *side }

// Open opens a session: name is "production" or "recovery", for people;
// application is its application_name where the address gives none. The caller
// closes it.
func Open(ctx context.Context, name, url, application string) (*Session, error) {
	return OpenIn(ctx, name, url, "", application)
}

// OpenIn is Open, in the given database where the address names none.
func OpenIn(ctx context.Context, name, url, database, application string) (*Session, error) {
	s, err := connect(ctx, name, url, database)
	if err != nil {
		return nil, err
	}
	if s.conn.Config().RuntimeParams["application_name"] == "rowback restore" {
		if err := s.exec(ctx, "SET application_name = "+literal(application)); err != nil {
			_ = s.conn.Close(ctx)
			return nil, err
		}
	}
	return &Session{s}, nil
}

// Close ends the session; what it had open is rolled back.
func (s *Session) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.side.conn.Close(ctx)
}

// Snapshot begins a read-only transaction whose queries all see one state.
func (s *Session) Snapshot(ctx context.Context) error {
	return s.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
}

// Catalog reads the database's catalog.
func (s *Session) Catalog(ctx context.Context) (*catalog.Snapshot, error) {
	if err := s.side.load(ctx); err != nil {
		return nil, err
	}
	return s.side.catalog, nil
}

// Own does, with the search_path that the role has, what is SQL of people's own.
// Elsewhere the path is pg_catalog's alone, and names of others need their schema.
func (s *Session) Own(ctx context.Context, do func() error) error { return s.side.own(ctx, do) }

// Exec runs statements whose results do not matter.
func (s *Session) Exec(ctx context.Context, sql string) error { return s.side.exec(ctx, sql) }

// Rows runs a query and returns every value as text, nil for NULL.
func (s *Session) Rows(ctx context.Context, sql string) ([][]*string, error) {
	return s.side.rows(ctx, sql)
}

// Each is Rows without holding them all. After an error of do the rest of the
// rows is read and dropped.
func (s *Session) Each(ctx context.Context, sql string, do func([]*string) error) error {
	return s.side.each(ctx, sql, do)
}

// Number runs a query that returns one number; NULL is 0.
func (s *Session) Number(ctx context.Context, sql string) (int64, error) {
	return s.side.number(ctx, sql)
}

// Conn is the connection itself. It stays the session's.
func (s *Session) Conn() *pgconn.PgConn { return s.side.conn.PgConn() }

// Explain says which database err came from, without row contents.
func (s *Session) Explain(err error) error { return s.side.explain(err) }

// Where says which database this is, without secrets.
func (s *Session) Where() string { return s.side.where() }

// ProveDistinct refuses unless the two sessions are in different databases,
// however they were reached, and production takes writes.
func ProveDistinct(ctx context.Context, production, recovery *Session) error {
	return proveDistinct(ctx, production.side, recovery.side)
}

// Same: the two sessions are in one database, however they were reached.
func Same(ctx context.Context, a, b *Session) (bool, error) { return same(ctx, a.side, b.side) }

// FindTable looks a table up by the name that a person gave: table, or
// schema.table, with SQL's quotes or without.
func FindTable(s *catalog.Snapshot, schema, name string) (*catalog.Table, error) {
	return find(s, schema, name)
}

// Dangles is the SQL condition that values, of a row with foreign key fk, refer
// to no parent, compared as the foreign key itself does.
func Dangles(fk *catalog.ForeignKey, values []string) string {
	return reference{ForeignKey: fk}.lacks(values, only(fk.Parent))
}

// OfAnotherType makes the error of a key on record whose values are none of the type that
// it has now one for people; nil: it is something else.
func OfAnotherType(err error) error { return ofAnotherType(err) }

// Refuse is a Refusal as an error; nil without problems.
func Refuse(kind RefusalKind, problems ...string) error { return refuse(kind, problems...) }

// Grouped is a number for people: 50,382.
func Grouped(n int64) string { return grouped(n) }

// Plural is "1 row", "50,382 rows".
func Plural(n int64, what string) string { return plural(n, what) }

// Batch is a list of keys on its way to a server: as text, in a FROM item whose
// columns are k01, k02, ….
type Batch struct{ b batch }

func (b *Batch) Add(values []*string)    { b.b.add(values) }
func (b *Batch) Len() int                { return b.b.n }
func (b *Batch) Full() bool              { return b.b.full() }
func (b *Batch) Reset()                  { b.b.reset() }
func (b *Batch) SQL(alias string) string { return b.b.sql(alias) }
func (b *Batch) Columns(n int) []string  { return positions("k", n) }

// WriteTable prints cells in columns, the first to the left, the rest to the right.
func WriteTable(w io.Writer, rows [][]string) { writeTable(w, rows) }
