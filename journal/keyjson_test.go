package journal

import (
	"encoding/json"
	"testing"
)

func TestKeyJSON(t *testing.T) {
	orders := Table{Schema: "public", Name: "orders"}
	for _, c := range []struct {
		typ   string
		value *string
		want  string
	}{
		{"bigint", text("42"), `42`},
		{"integer", text("-7"), `-7`},
		{"smallint", text("0"), `0`},
		{"bigint", text("9007199254740992"), `9007199254740992`},
		{"bigint", text("9007199254740993"), `"9007199254740993"`},
		{"bigint", text("-9007199254740993"), `"-9007199254740993"`},
		{"bigint", nil, `null`},
		{"bigint", text("007"), `"007"`},
		{"bigint", text("+7"), `"+7"`},
		{"bigint", text(""), `""`},
		{"numeric", text("42"), `"42"`},
		{"boolean", text("t"), `"t"`},
		{"text", text("null"), `"null"`},
		{"text", text("a\"b\\c\n<&>ä"), `"a\"b\\c\n<&>ä"`},
		{"text", text("a\xff"), `{"base64":"Yf8="}`},
		{"bytea", text(`\x00ff`), `"\\x00ff"`},
		{"timestamp with time zone", text("2026-01-31 12:00:00+00"), `"2026-01-31 12:00:00+00"`},
	} {
		table := orders
		table.Key = []Column{{"id", c.typ}}
		got, err := table.KeyJSON(Row{Values: []*string{c.value}})
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"schema":"public","table":"orders","key":{"id":` + c.want + `}}`; string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if !json.Valid(got) {
			t.Errorf("%s is no JSON", got)
		}
	}
}

func TestKeyJSON_ManyColumnsAndOld(t *testing.T) {
	table := Table{Schema: "app", Name: `no"tes`, Via: SetNull,
		Key: []Column{{"a", "uuid"}, {"b", "integer"}}, Old: []Column{{"order_id", "bigint"}}}
	got, err := table.KeyJSON(Row{Values: []*string{text("x"), text("2"), text("3")}})
	want := `{"schema":"app","table":"no\"tes","key":{"a":"x","b":2},"old":{"order_id":3}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := table.KeyJSON(Row{Values: []*string{text("x"), text("2")}}); err == nil {
		t.Error("a row with a value too few was taken")
	}
}
