package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/recovery"
)

// LoadOptions of Load.
type LoadOptions struct {
	Dump     string // file, or directory
	Server   string // where the database is made: any database of that server
	Name     string // of the database; "": recovery_db_incident_YYYYMMDD_HHMM
	Jobs     int    // of pg_restore, for custom and directory archives; 0: 1
	BinDir   string // where pg_restore is; "": found
	Receipts string // directory that takes the receipt too; "" for none
	Progress *recovery.Progress
}

// Receipt says what was loaded, from where and when.
type Receipt struct {
	Database string    `json:"database"`
	Server   string    `json:"server"` // without secrets
	Dump     string    `json:"dump"`
	Format   Format    `json:"format"`
	Bytes    int64     `json:"bytes"`
	From     string    `json:"dumped_from,omitempty"` // version of the server; "" if the dump does not say
	Dumped   time.Time `json:"dumped,omitzero"`       // when pg_dump began; zero if the dump does not say. See dumpTime
	Tables   int       `json:"tables"`                // with rows in the dump
	Loaded   time.Time `json:"loaded"`
	Seconds  float64   `json:"seconds"`

	counts map[string]int64 // of a plain dump: rows by table, as the dump writes it
	alone  bool             // one connection loaded it, for all that --jobs said
}

// Load restores a dump into a new database. If it fails, the database is gone again.
func Load(ctx context.Context, o LoadOptions) (*Receipt, error) {
	r, _, err := load(ctx, o)
	return r, err
}

func load(ctx context.Context, o LoadOptions) (_ *Receipt, db *database, err error) {
	began := time.Now()
	defer o.Progress.Done()
	path, err := filepath.Abs(o.Dump)
	if err != nil {
		return nil, nil, err
	}
	d, err := inspect(path)
	if err != nil {
		return nil, nil, err
	}
	receipts, err := openReceipts(o.Receipts)
	if err != nil {
		return nil, nil, err
	}
	defer receipts.Close() // of nil it says that there is none
	if o.Name == "" {
		o.Name = "recovery_db_incident_" + began.UTC().Format("20060102_1504")
	}
	if len(o.Name) > 63 {
		return nil, nil, recovery.Refuse(recovery.Usage, "the database's name is longer than the 63 bytes that PostgreSQL keeps")
	}
	r := &Receipt{Database: o.Name, Dump: path, Format: d.format, Bytes: d.size, Loaded: began.UTC()}
	r.alone = o.Jobs > 1 && d.format != Custom && d.format != Directory
	if d.format == Plain {
		db, err = loadPlain(ctx, o, d, r)
	} else {
		db, err = loadArchive(ctx, o, d, r)
	}
	if db != nil {
		defer func() {
			if err != nil {
				err = errors.Join(err, db.drop(ctx))
				db = nil
			}
		}()
	}
	if recovery.IsConnectError(err) {
		return nil, db, err
	}
	if err != nil {
		if db != nil && major(r.From) > db.version {
			err = fmt.Errorf("%w (the dump is from PostgreSQL %s, the server is PostgreSQL %d: load it into one that is not older)", err, r.From, db.version)
		}
		return nil, db, fmt.Errorf("loading %s: %w", path, err)
	}
	if err := r.finish(ctx, db, o, receipts); err != nil {
		return nil, db, err
	}
	return r, db, nil
}

// finish makes the planner's figures, the receipt, and the database read-only.
func (r *Receipt) finish(ctx context.Context, db *database, o LoadOptions, receipts *os.File) error {
	o.Progress.Start("analyzing", 0)
	s, err := recovery.Open(ctx, "recovery", db.url, "rowback backup")
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Exec(ctx, "ANALYZE"); err != nil {
		return err
	}
	r.Server = s.Where()
	r.Seconds = time.Since(r.Loaded).Seconds()
	line, err := r.line()
	if err != nil {
		return err
	}
	if err := db.seal(ctx, commentPrefix+line); err != nil {
		return err
	}
	return r.file(receipts, line)
}

func loadArchive(ctx context.Context, o LoadOptions, d dump, r *Receipt) (*database, error) {
	a, list, err := openArchive(ctx, d, o.BinDir)
	if err != nil {
		return nil, err
	}
	r.From, r.Dumped, r.Tables = list.from, list.dumped, len(list.tables)
	address, env, err := arguments(o.Server)
	if err != nil {
		return nil, err
	}
	into, err := Into(address, o.Name)
	if err != nil {
		return nil, err
	}
	db, err := makeDatabase(ctx, o.Server, o.Name, a.createOptions(ctx))
	if err != nil {
		return nil, err
	}
	args := []string{"--dbname=" + into, "--verbose", "--no-password", "--no-owner", "--no-privileges",
		"--no-tablespaces", "--no-publications", "--no-subscriptions", "--no-security-labels", "--no-comments"}
	version := a.major(ctx)
	if version <= db.version {
		args = append(args, "--exit-on-error")
	} // else it sets what the server does not know: follow tells that from errors
	if version >= 18 {
		args = append(args, "--no-statistics") // older servers lack the functions; all is analyzed in the end
	}
	if o.Jobs > 1 && !r.alone {
		args = append(args, "--jobs="+strconv.Itoa(o.Jobs))
	}
	restoring, stop := context.WithCancel(ctx)
	defer stop()
	cmd := a.restore(restoring, env, args...)
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return db, err
	}
	if err := cmd.Start(); err != nil {
		return db, err
	}
	said, harmless := a.follow(stderr, len(list.tables), o.Progress, stop)
	if err := cmd.Wait(); err != nil && (said != "" || !harmless || ctx.Err() != nil) {
		if ctx.Err() != nil {
			return db, ctx.Err()
		}
		if err = a.explain(err, said); len(list.made) == 0 {
			err = dataAlone(err)
		}
		return db, err
	}
	return db, nil
}

// newerSetting is an error that a newer pg_restore always makes on an older
// server (17 on 16 and older), and goes on from; the command follows it.
const (
	newerSetting    = `unrecognized configuration parameter "transaction_timeout"`
	newerSettingSet = "Command was: SET transaction_timeout"
)

// follow reads what pg_restore says up to its end: progress, and the errors,
// which it returns. At the first one it calls stop. harmless: there were errors
// that are none, and it got to its end.
func (a archive) follow(stderr io.Reader, tables int, p *recovery.Progress, stop func()) (said string, harmless bool) {
	var errs strings.Builder
	lines := bufio.NewReader(stderr)
	p.Start("making tables", 0)
	setting := ""
	for n := 0; ; {
		line, err := lines.ReadString('\n')
		if setting != "" && strings.HasPrefix(line, "Command was: ") && !strings.HasPrefix(line, newerSettingSet) {
			errs.WriteString(setting) // a function's own, say
			stop()
		}
		setting = ""
		if strings.Contains(line, "error: ") && strings.Contains(line, newerSetting) {
			setting = line
			continue
		}
		harmless = harmless || strings.Contains(line, "warning: errors ignored on restore")
		if _, table, ok := strings.Cut(line, "processing data for table "); ok {
			n++
			p.Start(fmt.Sprintf("loading %s (table %d of %d)", strings.TrimSpace(table), n, tables), 0)
		}
		if strings.Contains(line, "creating INDEX") || strings.Contains(line, "creating CONSTRAINT") || strings.Contains(line, "creating FK CONSTRAINT") {
			p.Start("making indexes and constraints", 0)
		}
		if strings.Contains(line, "error: ") && errs.Len() < 1<<14 {
			errs.WriteString(line)
			stop()
		}
		if err != nil {
			return errs.String(), harmless
		}
	}
}
