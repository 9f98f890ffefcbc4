package recovery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// imageBytes is how many bytes of images are held before they are sent. One image
// more may be in memory, however large it is.
const imageBytes = 4 << 20

// copyHeader begins COPY's binary form: signature, flags, no extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// collectImages reads the journal's images once and stages them.
func (r *restore) collectImages(ctx context.Context) error {
	if len(r.images) == 0 {
		return nil
	}
	r.o.Progress.Start("reading images", r.imageTotal())
	held := 0
	for i, err := range r.o.Source.Images {
		if err != nil {
			return fmt.Errorf("reading the images of rows: %w", err)
		}
		f := r.images[i.Table]
		if f == nil {
			continue
		}
		before := len(f.pending)
		if err := f.add(i); err != nil {
			return fmt.Errorf("%w: image of a row of %s: %w", journal.ErrDamaged, f.t.name(), err)
		}
		if held += len(f.pending) - before; held > imageBytes {
			for _, g := range r.images {
				if err := r.stageImages(ctx, g); err != nil {
					return err
				}
			}
			held = 0
		}
	}
	for _, f := range r.images {
		if err := r.stageImages(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *restore) imageTotal() (n int64) {
	for _, f := range r.images {
		n += f.st.Rows
	}
	return n
}

// add makes an image a tuple of COPY's binary form: the same fields, without the
// OIDs of their types.
func (f *imageFeed) add(i journal.Image) error {
	fields, err := i.Fields()
	if err != nil {
		return err
	}
	if len(fields) != len(f.st.Columns) {
		return fmt.Errorf("%d fields of %d columns", len(fields), len(f.st.Columns))
	}
	if len(f.pending) == 0 {
		f.pending = append(f.pending, copyHeader...)
	}
	f.pending = binary.BigEndian.AppendUint16(f.pending, uint16(len(fields)))
	for _, x := range fields {
		if x.Value == nil {
			f.pending = binary.BigEndian.AppendUint32(f.pending, 0xffffffff)
			continue
		}
		f.pending = append(binary.BigEndian.AppendUint32(f.pending, uint32(len(x.Value))), x.Value...)
	}
	f.rows++
	return nil
}

// stageImages sends what is pending, and moves it on into the table's staging as
// production has its types now.
func (r *restore) stageImages(ctx context.Context, f *imageFeed) error {
	if f.rows == 0 {
		return nil
	}
	var names []string
	for _, c := range f.st.Columns {
		names = append(names, c.Name)
	}
	tuples := io.MultiReader(strings.NewReader(string(f.pending[:0])), &pendingReader{f.pending}, strings.NewReader("\xff\xff"))
	tag, err := r.production.conn.PgConn().CopyFrom(ctx, tuples, fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", f.staged, list("", names)))
	if err != nil {
		return r.unreadableImage(f, r.production.explain(err))
	}
	if tag.RowsAffected() != f.rows {
		return fmt.Errorf("%d images of rows of %s were sent, %d arrived", f.rows, f.t.name(), tag.RowsAffected())
	}
	r.o.Progress.Add(f.rows)
	f.rows = 0
	if f.pending = f.pending[:0]; cap(f.pending) > 2*imageBytes {
		f.pending = nil
	}
	return r.settleImages(ctx, f)
}

type pendingReader struct{ left []byte }

func (p *pendingReader) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// settleImages moves freshly loaded images on, once every value that is converted
// is proved to survive the way there and back. What the configuration says of them
// has the role's own path.
func (r *restore) settleImages(ctx context.Context, f *imageFeed) error {
	if err := r.survives(ctx, f); err != nil {
		return err
	}
	if !f.t.configured() {
		return r.moveImages(ctx, f)
	}
	return r.production.own(ctx, func() error { return r.moveImages(ctx, f) })
}

// survives proves of every value that is converted that it comes through.
func (r *restore) survives(ctx context.Context, f *imageFeed) error {
	t := f.t
	for _, c := range f.casts {
		lost, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s i WHERE %s", f.staged, c.back))
		problem := fmt.Sprintf("%s.%s: %s when the rows went does not fit %s in production", t.name(), c.column, c.was, c.is)
		switch code := sqlState(err); {
		case strings.HasPrefix(code, "22") || strings.HasPrefix(code, "42") || strings.HasPrefix(code, "23"):
			return refuse(Unfit, problem+" (SQLSTATE "+code+"). "+t.howToConvert(c.column))
		case err != nil:
			return err
		case lost > 0:
			return refuse(Unfit, fmt.Sprintf("%s: %d values would change. %s", problem, lost, t.howToConvert(c.column)))
		}
	}
	return nil
}

func (r *restore) moveImages(ctx context.Context, f *imageFeed) error {
	t := f.t
	rows := fmt.Sprintf("FROM %s i%s", f.staged, t.computedOver("i", f.st.Name, f.columns))
	where := ""
	if t.config.Where != "" {
		where = " WHERE x.rowback_where"
		left := fmt.Sprintf("INSERT INTO %s (%s, rowback_class, rowback_reason) SELECT %s, '%s', 'left out by the configuration' %s WHERE NOT x.rowback_where",
			t.left, list("", f.columns), strings.Join(f.values, ", "), classFiltered, rows)
		if err := r.production.exec(ctx, left); err != nil {
			return r.unreadableImage(f, err)
		}
	}
	err := r.production.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s, rowback_kind, rowback_feed, rowback_no) SELECT %s, %d, %d, rowback_no %s%s; TRUNCATE %s",
		t.in, list("", f.columns), strings.Join(f.values, ", "), f.kind, f.n, rows, where, f.staged))
	if err != nil {
		return r.unreadableImage(f, err)
	}
	return nil
}

// unreadableImage makes an image that production does not take a refusal that
// names its table and, where it is known, its column.
func (r *restore) unreadableImage(f *imageFeed, err error) error {
	code, column := sqlState(err), ""
	var refusal *Refusal
	if code == "" || errors.As(err, &refusal) || !slices.Contains([]string{"08", "22", "23", "42"}, code[:2]) {
		return err
	}
	if at := copyColumn.FindStringSubmatch(sqlContext(err)); at != nil {
		column = "." + at[1]
	}
	what := "a value is not what its type is in production now (a type within it was made anew, or has changed)"
	if code[:2] == "23" {
		what = "a value breaks a constraint that its type has in production"
	}
	return refuse(Unfit, fmt.Sprintf("images of rows of %s%s cannot be loaded: %s (SQLSTATE %s). Restore those rows from a recovery database with --no-images, or change the type back", f.t.name(), column, what, code))
}

// merge brings together what came from several sources: columns that images lack get the
// recovery database's values, and of rows with one key the image of the latest
// deletion stays.
func (r *restore) merge(ctx context.Context) error {
	for _, t := range r.tables {
		if len(t.images) == 0 || len(t.key) == 0 {
			continue
		}
		for _, f := range t.images {
			if err := r.fillIn(ctx, t, f); err != nil {
				return err
			}
		}
		if err := r.mergeMarks(ctx, t); err != nil {
			return err
		}
		n, err := r.production.number(ctx, fmt.Sprintf("WITH d AS (DELETE FROM %s x USING %s s WHERE x.rowback_class = '%s' AND %s RETURNING %s, x.rowback_feed < s.rowback_feed AS older) SELECT count(*) FROM (SELECT FROM d GROUP BY %s HAVING bool_and(older)) x",
			t.left, t.in, classMissing, t.equal("s", "x"), list("x.", t.key), list("", t.key)))
		if err != nil {
			return err
		}
		if n > 0 {
			r.warn(fmt.Sprintf("%s of %s: the latest of these deletions kept no image, and the recovery database does not have them; they get what they had at an earlier deletion", plural(n, "row"), t.name()))
		}
	}
	return nil
}
