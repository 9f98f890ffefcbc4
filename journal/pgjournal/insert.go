package pgjournal

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// chunk is about how many bytes of blocks one message carries.
const chunk = 4 << 20

// insertEntry stores an entry with its first blocks: all of it, mostly.
const insertEntry = `WITH e AS (
	INSERT INTO entry (id, time, kind, outcome, database, "user", application, proxy, rows, keys, bytes, body)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text::json) RETURNING no
), t AS (
	INSERT INTO touched (name, schema, entry) SELECT DISTINCT x.name, x.schema, e.no FROM e, unnest($13::text[], $14::text[]) AS x (name, schema)
), b AS (
	INSERT INTO block (entry, no, rows, data) SELECT e.no, x.no - 1, x.rows, x.data FROM e, unnest($15::int[], $16::bytea[]) WITH ORDINALITY AS x (rows, data, no)
) SELECT e.no, ` + hasRoom + ` FROM e`

const insertBlocks = `INSERT INTO block (entry, no, rows, data)
	SELECT $1, $2::int + x.no - 1, x.rows, x.data FROM unnest($3::int[], $4::bytea[]) WITH ORDINALITY AS x (rows, data, no)`

const insertImages = `INSERT INTO image (entry, no, data)
	SELECT $1, $2::bigint + x.no - 1, x.data FROM unnest($3::bytea[]) WITH ORDINALITY AS x (data, no)`

// storing is an entry that is being stored.
type storing struct {
	entry  *journal.Entry
	body   []byte
	count  int64 // keys
	size   int64 // bytes of all together
	images bool
	keys   *journal.Keys
	last   bool // stored in the last partition's second half
}

// sizeOf adds what keys take to a size, and says whether there are images among it.
func sizeOf(keys *journal.Keys, size int64) (int64, bool, error) {
	for b, err := range keys.Blocks() {
		if err != nil {
			return 0, false, err
		}
		size += int64(len(b.Data))
	}
	images := false
	for data, err := range keys.ImageBlocks() {
		if err != nil {
			return 0, false, err
		}
		images = true
		size += int64(len(data))
	}
	return size, images, nil
}

// insert is one statement where that is enough: one exchange with the server.
func (s *storing) insert(ctx context.Context, c *pgx.Conn) error {
	if s.size <= chunk && !s.images {
		return s.insertIn(ctx, c)
	}
	return inTransaction(ctx, c, func(pgx.Tx) error { return s.insertIn(ctx, c) })
}

func (s *storing) insertIn(ctx context.Context, c *pgx.Conn) error {
	var names, schemas []string
	for _, t := range s.entry.Tables {
		names, schemas = append(names, clean(t.Name)), append(schemas, clean(t.Schema))
	}
	e, no, next := s.entry, int64(0), 0 // no: the entry's number, once it has one
	s.last = false
	send := func(rows []int32, data [][]byte) (err error) {
		if no == 0 {
			var room bool
			err = c.QueryRow(ctx, insertEntry, clean(e.ID), e.Time.UnixNano(), clean(string(e.Kind)), clean(string(e.Outcome)), clean(e.Database), clean(e.User),
				clean(e.Application), clean(e.Proxy), e.Rows, s.count, s.size, string(s.body), names, schemas, rows, data).Scan(&no, &room)
			s.last = !room
		} else {
			_, err = c.Exec(ctx, insertBlocks, no, next, rows, data)
		}
		next += len(rows)
		return err
	}
	rows, data, gathered := []int32{}, [][]byte{}, 0
	for b, err := range s.keys.Blocks() {
		if err != nil {
			return err
		}
		if gathered += len(b.Data); gathered > chunk && len(rows) > 0 {
			if err := send(rows, data); err != nil {
				return err
			}
			rows, data, gathered = rows[:0], data[:0], len(b.Data)
		}
		rows, data = append(rows, int32(b.Rows)), append(data, append([]byte(nil), b.Data...))
	}
	if len(rows) > 0 || no == 0 {
		if err := send(rows, data); err != nil {
			return err
		}
	}
	if !s.images {
		return nil
	}
	return s.insertImages(ctx, c, no)
}

func (s *storing) insertImages(ctx context.Context, c *pgx.Conn, no int64) error {
	next, data, gathered := int64(0), [][]byte{}, 0
	send := func() error {
		_, err := c.Exec(ctx, insertImages, no, next, data)
		next += int64(len(data))
		data, gathered = data[:0], 0
		return err
	}
	for b, err := range s.keys.ImageBlocks() {
		if err != nil {
			return err
		}
		data, gathered = append(data, append([]byte(nil), b...)), gathered+len(b)
		if gathered > chunk {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if err := send(); err != nil {
		return err
	}
	set := s.keys.ImageSet(s.entry.ID, next)
	_, err := c.Exec(ctx, "INSERT INTO image_set (entry, rows, blocks, key_name, set_id, bond) VALUES ($1, $2, $3, $4, $5, $6)",
		no, set.Rows, set.Blocks, set.KeyName, set.ID, set.Bond)
	return err
}
