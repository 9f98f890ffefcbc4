package recovery

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An oracle that nothing fails is worth nothing: the engine is built again with
// one rule broken, and the random schemas must find it.
func TestOracle_CatchesABrokenEngine(t *testing.T) {
	if os.Getenv("SEEDS") != "" {
		return // this is the broken engine, or a long run of the right one
	}
	for _, c := range []struct{ name, file, right, wrong string }{
		{"children of what stays out are not looked at", "classify.go", "todo = append(todo, o)", ""},
		{"a unique value may be taken", "classify.go", "if err := r.conflicts(ctx, t, a); err != nil {", "if err := error(nil); err != nil && a.plain {"},
		{"links are restored although they were re-pointed", "relink.go", `when(linkMoved, "NOT (`, `when(linkMoved, "false AND NOT (`},
	} {
		t.Run(c.name, func(t *testing.T) {
			source, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(source), c.right) != 1 {
				t.Fatalf("%s has not once %q", c.file, c.right)
			}
			broken := write(t, strings.Replace(string(source), c.right, c.wrong, 1))
			path, err := filepath.Abs(c.file)
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: broken}})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("go", "test", "-count=1", "-failfast", "-vet=off", "-overlay", write(t, string(overlay)), "-run", "RandomSchemas", ".")
			cmd.Env = append(os.Environ(), "SEEDS=1-40")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestRestore_RandomSchemasAgainstAnOracle/seed_") {
				t.Errorf("not caught: %v\n%s", err, out)
			}
		})
	}
}
