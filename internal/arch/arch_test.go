package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rowback/rowback"

// arrow is an import, direct or not, that must not be.
type arrow struct {
	from, to string // package paths below the module, with all that is below them; to "*": any of ours but itself
	because  string
}

var forbidden = []arrow{
	{"sqlparse", "*", "it says what a text means; what that does in a database is for others to say"},
	{"catalog", "*", "it describes a database to guard and recovery alike and must not lean to either"},
	{"journal", "*", "its entries are the contract between guard and recovery, who read it without each other"},
	{"proxy", "guard", "the wire knows no policy: it calls whoever implements Judge"},
	{"proxy", "recovery", "the wire knows nothing of deletions"},
	{"proxy", "sqlparse", "the wire forwards text, it does not read it"},
	{"proxy", "catalog", "the wire knows nothing of tables"},
	{"proxy", "journal", "the wire keeps no records"},
	{"guard/protect", "proxy", "it talks to the database straight; the proxy's judge calls it, never the other way"},
	{"guard", "recovery", "they meet only in the journal: a restore must work from the record alone"},
	{"guard/alert", "sqlparse", "it tells what the journal's records say, and judges nothing"},
	{"guard/alert", "catalog", "it tells what the journal's records say, and judges nothing"},
	{"recovery", "guard", "they meet only in the journal: a restore must work from the record alone"},
	{"recovery", "proxy", "a restore talks to the servers straight, also when the proxy is down"},
	{"proxy", "cmd", "packages do not know the command line"},
	{"guard", "cmd", "packages do not know the command line"},
	{"recovery", "cmd", "packages do not know the command line"},
	{"proxy", "internal/pgtest", "only the tests and the demo start clusters"},
	{"guard", "internal/pgtest", "only the tests and the demo start clusters"},
	{"recovery", "internal/pgtest", "only the tests and the demo start clusters"},
	{"guard", "doctor", "it is looked at, it does not look"},
	{"recovery", "doctor", "it is looked at, it does not look"},
	{"doctor", "cmd", "packages do not know the command line"},
	{"doctor", "internal/pgtest", "only the tests and the demo start clusters"},
	{"internal/model", "*", "its oracle must know nothing of the engine that it judges"},
	{"internal/child", "*", "it runs processes, whoever's they are"},
	{"internal/handover", "*", "it joins processes, whatever they do"},
	{"internal/yamlstrict", "*", "it reads YAML, whoever's it is"},
	{"internal/pgtest", "proxy", "the tests of every package use it"},
	{"internal/pgtest", "guard", "the tests of every package use it"},
	{"internal/pgtest", "recovery", "the tests of every package use it"},
	{"internal/pgtest", "journal", "the tests of every package use it"},
	{"internal/pgtest", "catalog", "the tests of every package use it"},
}

type pkg struct {
	ImportPath, Doc string
	Deps            []string
	GoFiles         []string
}

func TestImports_ForbiddenArrows(t *testing.T) {
	packages := list(t)
	for _, a := range forbidden {
		if !slices.ContainsFunc(packages, func(p pkg) bool { return within(p.ImportPath, a.from) }) {
			t.Errorf("no package %s: the list of arrows is out of date", a.from)
		}
	}
	for _, v := range violations(packages, forbidden) {
		t.Error(v)
	}
}

func TestViolations_AreSeen(t *testing.T) {
	packages := []pkg{
		{ImportPath: module + "/proxy/wire", Deps: []string{"fmt", module + "/guard"}},
		{ImportPath: module + "/journal/sqlite", Deps: []string{module + "/journal"}},
		{ImportPath: module + "/sqlparse", Deps: []string{module + "/catalog/x"}},
		{ImportPath: module + "/proxying", Deps: []string{module + "/guard"}},
	}
	got := violations(packages, []arrow{{"proxy", "guard", "R1"}, {"journal", "*", "R2"}, {"sqlparse", "*", "R3"}})
	if len(got) != 2 || !strings.HasSuffix(got[0], "R1") || !strings.HasSuffix(got[1], "R3") {
		t.Errorf("%q", got)
	}
}

func TestPackages_SayWhatTheyAre(t *testing.T) {
	for _, p := range list(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func violations(packages []pkg, arrows []arrow) (found []string) {
	for _, a := range arrows {
		for _, p := range packages {
			if !within(p.ImportPath, a.from) {
				continue
			}
			for _, dep := range p.Deps {
				if within(dep, a.to) || a.to == "*" && within(dep, "") && !within(dep, a.from) {
					found = append(found, p.ImportPath+" imports "+dep+": "+a.because)
				}
			}
		}
	}
	return found
}

// within: path is the package below the module, or below that.
func within(path, below string) bool {
	root := module
	if below != "" {
		root += "/" + below
	}
	return path == root || strings.HasPrefix(path, root+"/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Deps,GoFiles", module+"/...").Output()
	if err != nil {
		var e *exec.ExitError
		if errors.As(err, &e) {
			t.Fatalf("go list: %s", e.Stderr)
		}
		t.Fatal(err)
	}
	var packages []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
