package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A file that cannot be written is found before the work: here, before it shows
// that nobody is at the server's address.
func TestOutFile_IsTriedFirst(t *testing.T) {
	dir := inDirectory(t)
	env := map[string]string{"ROWBACK_PRODUCTION": "127.0.0.1:1", "ROWBACK_RECOVERY": "127.0.0.1:2"}
	write(t, "shop.sql", "CREATE TABLE t (id int PRIMARY KEY);\nINSERT INTO t VALUES (1);\nnonsense;\n")
	for _, args := range [][]string{{"check", "--junit"}, {"graph", "--out"}, {"diff", "--out"}, {"drill", "shop.sql", "--html"}} {
		flag := args[len(args)-1]
		for path, why := range map[string]string{filepath.Join("none", "file"): "there is no directory none", dir: "", filepath.Join("shop.sql", "file"): "not a directory"} {
			runWith(t, env, append(args, path)...).check(t, exitUsage, flag+": "+path+" cannot be written: "+why)
		}
	}
}

// Work that fails leaves no new file behind, and an old one as it was.
func TestOutFile_OfFailedWork(t *testing.T) {
	inDirectory(t)
	env := map[string]string{"ROWBACK_PRODUCTION": "127.0.0.1:1", "ROWBACK_RECOVERY": "127.0.0.1:2"}
	for _, args := range [][]string{{"check", "--junit"}, {"graph", "--out"}} {
		write(t, "old", "kept")
		runWith(t, env, append(args, "old")...).check(t, exitFailed, "cannot connect")
		runWith(t, env, append(args, "new")...).check(t, exitFailed, "cannot connect")
		if text, err := os.ReadFile("old"); err != nil || string(text) != "kept" {
			t.Errorf("%v: %v, %q", args, err, text)
		}
		if names, err := os.ReadDir("."); err != nil || len(names) != 1 {
			t.Errorf("%v: %v, %v", args, err, names)
		}
	}
}

// What is written is all that the file then holds, and a pipe takes it too.
func TestOutFile_TakesThePlaceOfTheOldOne(t *testing.T) {
	env, _, _ := restoreEnv(t)
	long := make([]byte, 1<<16)
	write(t, "g.svg", string(long))
	runWith(t, env, "graph", "--format", "svg", "--out", "g.svg").check(t, exitDone, "")
	if text, err := os.ReadFile("g.svg"); err != nil || len(text) == 0 || text[len(text)-1] == 0 {
		t.Errorf("%v, %d bytes", err, len(text))
	}
	runWith(t, env, "graph", "--out", os.DevNull).check(t, exitDone, "")
}
