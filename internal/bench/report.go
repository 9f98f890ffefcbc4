package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is what a run found, on which machine and of which commit. Nothing in it
// names the machine or a place on it.
type report struct {
	Date    time.Time `json:"date"`
	Commit  string    `json:"commit"` // with a + if there were changes
	Machine machine   `json:"machine"`
	Rounds  int       `json:"rounds"`
	Seconds int       `json:"seconds"` // a side, where it is a matter of time
	Results []result  `json:"results,omitempty"`
	Curves  []curve   `json:"curves,omitempty"`
}

func (l *lab) newReport(ctx context.Context) (*report, error) {
	r := &report{Date: time.Now().UTC().Truncate(time.Second), Commit: commit(ctx), Machine: thisMachine(), Rounds: l.rounds, Seconds: l.seconds}
	var err error
	r.Machine.PostgreSQL, err = l.serverVersion(ctx)
	return r, err
}

// write writes FILE.json and FILE.html. into is a directory, where the name is made
// of date and commit, or the file with or without .json; "": nowhere. What the
// file has of the same commit, and this run has not measured, stays.
func (r *report) write(into string) error {
	if into == "" {
		return nil
	}
	if info, err := os.Stat(into); err == nil && info.IsDir() || strings.HasSuffix(into, "/") {
		into = filepath.Join(into, r.Date.Format(time.DateOnly)+"-"+r.Commit)
	}
	into = strings.TrimSuffix(strings.TrimSuffix(into, ".json"), ".html")
	if err := os.MkdirAll(filepath.Dir(into), 0o755); err != nil {
		return err
	}
	if err := r.join(into + ".json"); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var html strings.Builder
	if err := page.Execute(&html, r); err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(into+".json", append(text, '\n'), 0o644), os.WriteFile(into+".html", []byte(html.String()), 0o644))
	if err == nil {
		fmt.Printf("\nThe report is in %s.json and %[1]s.html.\n", into)
	}
	return err
}

// join takes over the results, or the curves, of an earlier run of the same commit.
func (r *report) join(file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var was report
	if err := json.Unmarshal(text, &was); err != nil {
		return fmt.Errorf("%s is there, and no report: %w", file, err)
	}
	if was.Commit != r.Commit || was.Machine != r.Machine {
		return nil
	}
	if len(r.Results) == 0 {
		r.Results, r.Rounds, r.Seconds = was.Results, was.Rounds, was.Seconds
	}
	if len(r.Curves) == 0 {
		r.Curves = was.Curves
	}
	return nil
}
