package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The drill itself, with a real proxy, is tested in internal/drill.
func TestDrill_WrongUsage(t *testing.T) {
	dir := inDirectory(t)
	text := filepath.Join(dir, "readme.txt")
	if err := os.WriteFile(text, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	runWith(t, nil, "drill").check(t, exitUsage, "Give a dump, or --template")
	runWith(t, nil, "drill", text, "--template", "postgres://127.0.0.1/x").check(t, exitUsage, "Give a dump, or --template")
	runWith(t, nil, "drill", "nothing.dump").check(t, exitUsage, "no such file")
	runWith(t, nil, "drill", text).check(t, exitUsage, "is empty")
	write(t, "schema.sql", "CREATE TABLE t (id int PRIMARY KEY);\nnonsense;\n")
	runWith(t, nil, "drill", "schema.sql").check(t, exitUsage, "holds no rows")
	runWith(t, nil, "drill", text, "--rounds", "0").check(t, exitUsage, "--rounds")
}
