package recovery

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFromDiff_FilesThatAreNotWhole(t *testing.T) {
	head, end := `{"rowback_diff":1,"database":"shop"}`+"\n", `{"end":true,"lost":2}`
	key := `{"schema":"public","table":"t","key":{"id":1,"b":"x"},"state":"lost"}` + "\n"
	for _, c := range []struct{ text, want string }{
		{"", "is no file of"},
		{`{"id":1}`, "is no file of"},
		{`{"rowback_diff":2}`, "version 2"},
		{head + key + key, "cut off"},
		{head + key + key[:20], "cut off"},
		{head + end, "proposes no row"},
		{head + strings.Replace(key, "lost", "recorded", 1) + end, "proposes no row"},
		{head + `{"table":"t","state":"lost"}` + end, "line 2: the key has no table or no columns"},
		{head + strings.Replace(key, `"x"`, "null", 1) + end, "line 2: b is neither text"},
		{head + key + "{nonsense}\n" + end, "line 3: invalid character"},
		{"id,b\n1,x\n", "is no file of"},
		{head + key + strings.Replace(key, `,"b":"x"`, "", 1) + end, "same columns"},
	} {
		path := filepath.Join(t.TempDir(), "diff")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var refusal *Refusal
		if _, err := FromDiff(path); !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

func TestFromDiff_AnEditedFileIsSaidToBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "diff")
	text := `{"rowback_diff":1,"database":"shop"}
{"schema":"a","table":"t","key":{"id":1,"b":"x"},"state":"lost"}
{"schema":"b","table":"t","key":{"id":9007199254740993},"state":"lost"}
{"schema":"b","table":"t","key":{"id":3},"state":"changed"}
{"end":true,"lost":3}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := FromDiff(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "holds 2 of the 3") || s.Database != "shop" || len(s.Tables) != 2 {
		t.Errorf("%+v", s)
	}
	var got []string
	for row, err := range s.Rows {
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range row.Values {
			got = append(got, s.Tables[row.Table].Schema+*v)
		}
	}
	if text := strings.Join(got, " "); text != "ax a1 b9007199254740993" {
		t.Errorf("%s", text)
	}
}
