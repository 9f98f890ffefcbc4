package recovery

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// leftOut counts the keys in a file that are not asked for, by why.
type leftOut map[string]int64

func (l leftOut) String() string {
	var out []string
	for _, why := range slices.Sorted(maps.Keys(l)) {
		out = append(out, plural(l[why], "key")+" "+why)
	}
	return strings.Join(out, ", ")
}

// keyObjects reads key objects, one by one, also from inside an entry's "keys".
type keyObjects struct {
	d             *json.Decoder
	schema, table string
	left          leftOut
	n             int    // keys seen
	inside        bool   // an array of keys
	entry         bool   // which is an entry's
	nothing       string // why this entry's keys are none of removed rows; "" if they are
}

func jsonKeys(r io.Reader, schema, table string, left leftOut) *keyObjects {
	k := &keyObjects{schema: schema, table: table, left: left}
	k.d = json.NewDecoder(r)
	k.d.UseNumber()
	return k
}

func (k *keyObjects) next() ([]string, []*string, error) {
	for {
		o, err := k.object()
		if err != nil {
			return nil, nil, k.explain(err)
		}
		if o == nil {
			continue
		}
		k.n++
		key, err := k.wanted(o)
		if err != nil {
			return nil, nil, err
		}
		if key != nil {
			return k.values(key)
		}
	}
}

func (k *keyObjects) place() string { return fmt.Sprintf("key %d", k.n) }

func (k *keyObjects) names() string { return ": its keys are by (%s)" }

// explain says after which key the file is no JSON.
func (k *keyObjects) explain(err error) error {
	after := "at its beginning"
	if k.n > 0 {
		after = fmt.Sprintf("after key %d", k.n)
	}
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("ends %s in the middle of an object: it is cut off (%w)", after, err)
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: %w; %s", after, err, keysExpected)
	}
	return err
}

// object is the next key object, or nil where something else was read. io.EOF
// only where the file may end.
func (k *keyObjects) object() (o map[string]any, err error) {
	if k.inside {
		o, err = k.listed()
	} else {
		start, startErr := k.d.Token()
		switch {
		case startErr != nil:
			return nil, startErr
		case start == json.Delim('['):
			k.inside, k.nothing = true, ""
		case start == json.Delim('{'):
			o, err = k.fields(map[string]any{})
		default:
			err = fmt.Errorf("%v, after key %d, is no object", start, k.n)
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return o, err
}

// listed is the next object of the array that the reader is inside of, nil at
// its end.
func (k *keyObjects) listed() (o map[string]any, err error) {
	if k.d.More() {
		err = k.d.Decode(&o)
		return o, err
	}
	k.inside = false
	if _, err := k.d.Token(); err != nil || !k.entry {
		return nil, err
	}
	k.entry = false
	_, err = k.fields(map[string]any{}) // what an entry has after its keys
	return nil, err
}

// fields reads an object up to its end, or, where it is an entry, up to the
// first of its keys; then it returns nil.
func (k *keyObjects) fields(o map[string]any) (map[string]any, error) {
	for k.d.More() {
		name, err := k.d.Token()
		if err != nil {
			return nil, err
		}
		if _, isEntry := o["outcome"]; isEntry && name == "keys" {
			if start, err := k.d.Token(); err != nil || start != json.Delim('[') {
				return nil, fmt.Errorf("entry %v: keys is no list", o["id"])
			}
			e := journal.Entry{ID: fmt.Sprint(o["id"]), Kind: journal.Kind(fmt.Sprint(o["kind"])), Outcome: journal.Outcome(fmt.Sprint(o["outcome"]))}
			k.inside, k.entry, k.nothing = true, true, nothingToRestore(&e)
			return nil, nil
		}
		var value any
		if err := k.d.Decode(&value); err != nil {
			return nil, err
		}
		o[fmt.Sprint(name)] = value
	}
	if _, err := k.d.Token(); err != nil {
		return nil, err
	}
	if _, isEntry := o["outcome"].(string); isEntry && o["statements"] != nil {
		return nil, fmt.Errorf("entry %v comes without its keys; print it with `rowback log --keys --output json`", o["id"])
	}
	return o, nil
}

// wanted is the key of o, or nil if it is left out.
func (k *keyObjects) wanted(o map[string]any) (map[string]any, error) {
	key, ok := o["key"].(map[string]any)
	if !ok || o["table"] == nil {
		return o, nil
	}
	schema, table := o["schema"], o["table"]
	other := table != k.table || schema != nil && k.schema != "" && schema != k.schema
	switch {
	case other && !k.inside && table != k.table:
		return nil, fmt.Errorf("key %d is of table %v, not %s", k.n, table, k.table)
	case other && !k.inside:
		return nil, fmt.Errorf("key %d is of schema %v, not %s", k.n, schema, k.schema)
	case other:
		k.left["of "+fmt.Sprint(table)]++
	case k.nothing != "":
		k.left["("+k.nothing+")"]++
	case o["old"] != nil:
		k.left["of rows that only lost a link (restore the ID to link them again)"]++
	default:
		return key, nil
	}
	return nil, nil
}

// values are the columns of a key, sorted, and their values.
func (k *keyObjects) values(o map[string]any) ([]string, []*string, error) {
	columns := slices.Sorted(maps.Keys(o))
	values := make([]*string, len(columns))
	for i, c := range columns {
		var text string
		switch v := o[c].(type) {
		case string:
			text = v
		case json.Number:
			text = v.String()
		case bool:
			text = fmt.Sprint(v)
		case map[string]any:
			var ok bool
			if text, ok = fromBase64(v); !ok {
				return nil, nil, fmt.Errorf("key %d: %s is an object, and not {\"base64\": …}", k.n, c)
			}
		default:
			return nil, nil, fmt.Errorf("key %d: %s is neither text, number nor boolean", k.n, c)
		}
		values[i] = &text
	}
	return columns, values, nil
}

// fromBase64 is a value that is no UTF-8: see journal.Table.KeyJSON.
func fromBase64(v map[string]any) (string, bool) {
	encoded, ok := v["base64"].(string)
	text, err := base64.StdEncoding.DecodeString(encoded)
	return string(text), ok && err == nil && len(v) == 1
}
