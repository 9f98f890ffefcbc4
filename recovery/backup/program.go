package backup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/recovery"
)

// findPrograms are the pg_restores on this machine: in dir or $PGBIN, then
// Debian's, newest first, then where pg_config and PATH point.
func findPrograms(dir string) (found []string, err error) {
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(dir string) int {
		n, _ := strconv.Atoi(strings.Split(dir, "/")[4])
		return n
	}
	slices.SortFunc(debian, func(a, b string) int { return version(b) - version(a) })
	dirs := append([]string{dir, os.Getenv("PGBIN")}, debian...)
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, d := range append(dirs, filepath.SplitList(os.Getenv("PATH"))...) {
		path := filepath.Join(d, "pg_restore")
		if info, err := os.Stat(path); d != "" && err == nil && !info.IsDir() && !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	return nil, recovery.Refuse(recovery.Usage, "pg_restore was not found: install PostgreSQL's client programs (Debian, Ubuntu: apt-get install postgresql-client), or set PGBIN to the directory that holds it")
}

// archive is a dump that pg_restore reads.
type archive struct {
	dump
	program string
}

// errNewer: the archive's format is newer than this pg_restore.
var errNewer = errors.New("the dump was made by a newer pg_dump")

// openArchive reads the table of contents with the first pg_restore that can.
func openArchive(ctx context.Context, d dump, dir string) (archive, contents, error) {
	programs, err := findPrograms(dir)
	if err != nil {
		return archive{}, contents{}, err
	}
	var first error
	for _, program := range programs {
		a := archive{d, program}
		list, err := a.contents(ctx)
		if err == nil {
			return a, list, nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, errNewer) {
			break
		}
	}
	return archive{}, contents{}, first
}

var majorVersion = regexp.MustCompile(`\d+`)

// major is the first number in a version: 15 of "pg_restore (PostgreSQL) 15.4"; 0 for none.
func major(version string) int {
	n, _ := strconv.Atoi(majorVersion.FindString(version))
	return n
}

// major is pg_restore's own version.
func (a archive) major(ctx context.Context) int {
	version, _ := exec.CommandContext(ctx, a.program, "--version").Output()
	return major(string(version))
}

// contents is the archive's own table of contents.
type contents struct {
	tables     []string    // schema.name as it prints them, that have data
	made       [][2]string // tables: schema, name
	from       string      // version of the server it is from
	dumpedWith string
	dumped     time.Time // zero: it does not say
}

var tableMade = regexp.MustCompile(`^\d+; 1259 \d+ TABLE (\S+) (.+) \S+$`)
var tableData = regexp.MustCompile(`^\d+; \d+ \d+ TABLE DATA (.+) \S+$`)

func (a archive) contents(ctx context.Context) (contents, error) {
	var c contents
	out, err := a.restore(ctx, nil, "--list").Output()
	if err != nil {
		return c, a.explain(err, stderrOf(err))
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if m := tableMade.FindStringSubmatch(line); m != nil && !strings.HasPrefix(m[1]+" ", "DATA ") && m[1] != "ATTACH" {
			c.made = append(c.made, [2]string{m[1], m[2]})
		}
		if m := tableData.FindStringSubmatch(line); m != nil {
			c.tables = append(c.tables, m[1])
		}
		if v, ok := strings.CutPrefix(line, ";     Dumped from database version: "); ok {
			c.from = v
		}
		if v, ok := strings.CutPrefix(line, "; Archive created at "); ok {
			c.dumped = dumpTime(v)
		}
		if v, ok := strings.CutPrefix(line, ";     Dumped by pg_dump version: "); ok {
			c.dumpedWith = v
		}
	}
	return c, nil
}

func (a archive) restore(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.program, append(args, "--", a.path)...)
	cmd.Env = append(os.Environ(), append(env, "LC_ALL=C", "PGOPTIONS=-c default_transaction_read_only=off -c statement_timeout=0")...)
	return cmd
}

// explain turns pg_restore's failure into what to do. Its messages may quote
// rows; only the first lines that are no context are kept.
func (a archive) explain(err error, stderr string) error {
	var said []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "pg_restore: "))
		if m, ok := strings.CutPrefix(line, "error: "); ok && len(said) < 3 {
			said = append(said, strings.SplitN(m, " Command was:", 2)[0])
		}
	}
	text := strings.Join(said, "; ")
	if text == "" {
		text = err.Error()
	}
	if strings.Contains(text, "unsupported version") {
		version, _ := exec.Command(a.program, "--version").Output()
		return fmt.Errorf("pg_restore: %s; %w than this %s: install the newer client programs, or set PGBIN to their directory", text, errNewer, strings.TrimSpace(string(version)))
	}
	return fmt.Errorf("pg_restore: %s", text)
}

func stderrOf(err error) string {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return string(e.Stderr)
	}
	return ""
}

// createOptions are the encoding and locale of the dumped database, as CREATE
// DATABASE takes them; "" if the archive does not say.
func (a archive) createOptions(ctx context.Context) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := a.restore(ctx, nil, "--create", "--schema-only", "--file=-")
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return ""
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	return createOptions(out)
}

// What follows the template are names with values, and nothing else: it is sent as it is.
var createDatabase = regexp.MustCompile(`^CREATE DATABASE .* WITH TEMPLATE = template0((?: [A-Z_]+ = (?:'(?:[^']|'')*'|` + quoted + `|[A-Za-z0-9_]+))*);$`)
var tablespace = regexp.MustCompile(` (?:TABLESPACE|OWNER) = (?:` + quoted + `|\S+)`)

// createOptions looks at a script's first lines.
func createOptions(script io.Reader) string {
	lines := bufio.NewScanner(script)
	for n := 0; n < 200 && lines.Scan(); n++ {
		if m := createDatabase.FindStringSubmatch(lines.Text()); m != nil {
			return tablespace.ReplaceAllString(m[1], "")
		}
	}
	return ""
}
