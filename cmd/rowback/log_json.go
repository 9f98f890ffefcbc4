package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"

	"github.com/rowback/rowback/journal"
)

// printJSON prints an entry as one line of JSON, with what became of it.
func (a *aftermath) printJSON(ctx context.Context, out *bufio.Writer, e *journal.Entry, keys bool) error {
	b, err := a.back(ctx, e)
	if err != nil {
		return err
	}
	with := struct {
		*journal.Entry
		Restored *back `json:"restored,omitempty"`
		Undone   *back `json:"undone,omitempty"`
		// By restores into other databases than the deletion's: nothing of it is back by these.
		Elsewhere []visit `json:"restored_elsewhere,omitempty"`
	}{Entry: e, Elsewhere: a.visits(e)}
	if e.Kind == journal.Restore {
		with.Undone = b
	} else {
		with.Restored = b
	}
	return printJSON(ctx, out, a.journal, e, with, keys)
}

// printJSON prints with, which is an entry and more, as one line of JSON. The keys
// are streamed into it: an entry may hold millions.
func printJSON(ctx context.Context, out *bufio.Writer, j journal.Journal, e *journal.Entry, with any, keys bool) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(with); err != nil {
		return err
	}
	object := bytes.TrimRight(line.Bytes(), "\n")
	if !keys {
		_, err := out.Write(append(object, '\n'))
		return err
	}
	out.Write(bytes.TrimSuffix(object, []byte("}"))) // a bufio.Writer keeps its error
	out.WriteString(`,"keys":[`)
	separator := ""
	err := eachKey(ctx, j, e, func(key []byte) error {
		out.WriteString(separator)
		separator = ","
		_, err := out.Write(key)
		return err
	})
	if err != nil {
		return err
	}
	_, err = out.WriteString("]}\n")
	return err
}

// eachKey calls f with the JSON of every captured key of e, in order.
func eachKey(ctx context.Context, j journal.Journal, e *journal.Entry, f func([]byte) error) error {
	for row, err := range j.Rows(ctx, e.ID) {
		if err != nil {
			return err
		}
		key, err := e.Tables[row.Table].KeyJSON(row)
		if err == nil {
			err = f(key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
