package protect

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
)

// state is what a database has of the guard.
type state struct {
	conn *pgx.Conn
	snap *catalog.Snapshot

	role       string // the session's
	super      bool
	mayCreate  bool // schemas
	mayEvent   bool // event triggers
	owner      string
	version    int               // 0: not installed, or not to be read
	tickets    bool              // the schema's owner may see when sessions began
	event      byte              // pg_event_trigger.evtenabled of ours; 0: none
	netMissing bool              // evidence has no rowback_net
	functions  map[string]string // in the schema, by name: their bodies
	guarded    map[uint32]*guarded
	columns    map[uint32][]column                      // see details
	owned      map[uint32]bool                          // the role may act as the table's owner
	links      map[*catalog.Table][]*catalog.ForeignKey // whose cutting is to be recorded; see desired
}

// guarded is a table with triggers of ours.
type guarded struct {
	table     *catalog.Table
	triggers  map[string]trigger
	arguments arguments
}

// installed: the schema is there.
func (s *state) installed() bool { return s.owner != "" }

func readState(ctx context.Context, conn *pgx.Conn) (*state, error) {
	s := &state{conn: conn, functions: map[string]string{}, guarded: map[uint32]*guarded{}, columns: map[uint32][]column{}, owned: map[uint32]bool{}}
	// The look at the catalog is small, and takes long where it is compiled first.
	_, err := conn.Exec(ctx, "SET LOCAL jit = off")
	if err != nil {
		return nil, err
	}
	if s.snap, err = catalog.Load(ctx, catalog.FromConn(conn)); err != nil {
		return nil, err
	}
	var event *string
	var readable bool
	err = conn.QueryRow(ctx, `SELECT current_user, r.rolsuper, has_database_privilege(current_database(), 'CREATE'),
		r.rolsuper OR EXISTS (SELECT FROM pg_roles x WHERE x.rolname = 'rds_superuser' AND pg_has_role(x.oid, 'USAGE')),
		COALESCE(o.rolname, ''),
		COALESCE(o.rolsuper OR pg_has_role(o.oid, 'pg_read_all_stats', 'USAGE'), false),
		COALESCE(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(v.oid, 'SELECT'), false),
		(SELECT e.evtenabled::text FROM pg_event_trigger e WHERE e.evtname = '`+dropTrigger+`'),
		NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid WHERE t.relnamespace = n.oid AND t.relname = 'evidence' AND g.tgname = 'rowback_net')
		FROM pg_roles r
		LEFT JOIN pg_namespace n ON n.nspname = 'rowback'
		LEFT JOIN pg_roles o ON o.oid = n.nspowner
		LEFT JOIN pg_class v ON v.relnamespace = n.oid AND v.relname = 'version'
		WHERE r.rolname = current_user`).Scan(&s.role, &s.super, &s.mayCreate, &s.mayEvent, &s.owner, &s.tickets, &readable, &event, &s.netMissing)
	if err != nil {
		return nil, err
	}
	if event != nil {
		s.event = (*event)[0]
	}
	if readable {
		if err := conn.QueryRow(ctx, "SELECT version FROM rowback.version").Scan(&s.version); err != nil {
			return nil, err
		}
	}
	if err := s.readFunctions(ctx); err != nil {
		return nil, err
	}
	return s, s.readTriggers(ctx)
}

func (s *state) readFunctions(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, "SELECT p.proname, p.prosrc FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'rowback' AND p.proname ~ '^guard_'")
	if err != nil {
		return err
	}
	var name, body string
	_, err = pgx.ForEachRow(rows, []any{&name, &body}, func() error {
		s.functions[name] = body
		return nil
	})
	return err
}

func (s *state) readTriggers(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, `SELECT t.tgrelid, t.tgname, p.proname, t.tgtype::int, COALESCE(t.tgoldtable, ''), t.tgargs, t.tgenabled::text
		FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname = 'rowback' AND t.tgname <> 'rowback_net' AND NOT t.tgisinternal`)
	if err != nil {
		return err
	}
	var oid uint32
	var t trigger
	var raw []byte
	var enabled string
	_, err = pgx.ForEachRow(rows, []any{&oid, &t.name, &t.function, &t.bits, &t.oldTable, &raw, &enabled}, func() error {
		table := s.snap.Tables[oid]
		if table == nil {
			return nil // another session's temporary table
		}
		t.arguments, t.enabled = readArguments(raw), enabled[0]
		g := s.guarded[oid]
		if g == nil {
			g = &guarded{table: table, triggers: map[string]trigger{}, arguments: t.arguments}
			s.guarded[oid] = g
		}
		g.triggers[t.name] = t
		if t.name == blockDelete || t.name == alertDelete {
			g.arguments = t.arguments
		}
		return nil
	})
	return err
}

// details reads what shapes, and the right to make triggers, need of tables.
func (s *state) details(ctx context.Context, tables []*catalog.Table) error {
	var oids []uint32
	for _, t := range tables {
		if _, known := s.columns[t.OID]; !known {
			oids = append(oids, t.OID)
		}
	}
	if len(oids) == 0 {
		return nil
	}
	rows, err := s.conn.Query(ctx, `WITH RECURSIVE base (oid, base) AS (
			SELECT p.oid, p.oid FROM pg_type p WHERE p.typtype <> 'd'
			UNION ALL
			SELECT p.oid, b.base FROM pg_type p JOIN base b ON p.typbasetype = b.oid WHERE p.typtype = 'd')
		SELECT c.oid, pg_has_role(c.relowner, 'USAGE'), COALESCE((
			SELECT json_agg(json_build_array(a.attnum, a.attname, n.nspname, t.typname, CASE WHEN bn.nspname = 'pg_catalog' THEN bt.typname ELSE '' END) ORDER BY a.attnum)
			FROM pg_attribute a
			JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
			JOIN base b ON b.oid = t.oid JOIN pg_type bt ON bt.oid = b.base JOIN pg_namespace bn ON bn.oid = bt.typnamespace
			WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]')::text
		FROM pg_class c WHERE c.oid = ANY ($1::oid[])`, oids)
	if err != nil {
		return err
	}
	var oid uint32
	var mine bool
	var text string
	_, err = pgx.ForEachRow(rows, []any{&oid, &mine, &text}, func() error {
		var raw [][5]any
		if err := json.Unmarshal([]byte(text), &raw); err != nil {
			return err
		}
		columns := make([]column, len(raw))
		for i, r := range raw {
			number, _ := r[0].(float64)
			columns[i] = column{int(number), str(r[1]), str(r[2]), str(r[3]), str(r[4])}
		}
		s.columns[oid], s.owned[oid] = columns, mine
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the tables' columns: %w", err)
	}
	return nil
}

func str(v any) string {
	s, _ := v.(string)
	return s
}
