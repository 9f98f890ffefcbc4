package guard

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
)

func TestShiftPosition_MovesOnlyThePosition(t *testing.T) {
	e := &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42703", Message: "P is no field", Position: 30, Routine: "x"}
	for _, delta := range []int{-20, 0, 5} {
		var got pgproto3.ErrorResponse
		if err := got.Decode(shiftPosition(errorBody(e), delta)); err != nil {
			t.Fatal(err)
		}
		want := *e
		want.Position += int32(delta)
		if got.Position != want.Position || got.Message != want.Message || got.Routine != want.Routine {
			t.Errorf("delta %d: %+v", delta, got)
		}
	}
}

func TestJoinBind_IsTheInverseOfSplitBind(t *testing.T) {
	frame, err := (&pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", ParameterFormatCodes: []int16{1, 0},
		Parameters: [][]byte{{0, 1}, nil}, ResultFormatCodes: []int16{0, 1}}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	portal, st, params, formats, err := splitBind(frame[5:])
	if err != nil || portal != "p" || st != "s" || len(formats) != 2 {
		t.Fatal(portal, st, formats, err)
	}
	if got := joinBind(portal, st, params, formats); !bytes.Equal(got, frame[5:]) {
		t.Errorf("%q, want %q", got, frame[5:])
	}
}

func TestFirstFields_CutsFromTheEnd(t *testing.T) {
	d := &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a"), DataTypeOID: 23}, {Name: []byte("b")}, {Name: []byte("c")}}}
	frame, _ := d.Encode(nil)
	body, n, err := firstFields(frame[5:], 2)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	var got pgproto3.RowDescription
	if err := got.Decode(body); err != nil || len(got.Fields) != 1 || string(got.Fields[0].Name) != "a" || got.Fields[0].DataTypeOID != 23 {
		t.Errorf("%+v %v", got, err)
	}
}

// FuzzMessages: no body, however malformed, may panic a decoder.
func FuzzMessages(f *testing.F) {
	bind, _ := (&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{{1}}, ResultFormatCodes: []int16{1}}).Encode(nil)
	row, _ := (&pgproto3.DataRow{Values: [][]byte{{1}, nil, {}}}).Encode(nil)
	desc, _ := (&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("a")}}}).Encode(nil)
	failure := errorBody(&pgproto3.ErrorResponse{Code: "42703", Position: 30})
	for _, b := range [][]byte{bind[5:], row[5:], desc[5:], failure, nil} {
		f.Add(b, 1)
	}
	f.Fuzz(func(t *testing.T, body []byte, n int) {
		if p, st, params, formats, err := splitBind(body); err == nil {
			if got := joinBind(p, st, params, formats); !bytes.Equal(got, body) {
				t.Errorf("bind %q became %q", body, got)
			}
		}
		if cols, err := columns(body); err == nil && len(cols) > 0 {
			_ = firstColumns(cols, 1)
		}
		if n >= 0 && n < 100 {
			if fields, _, err := firstFields(body, n); err == nil {
				_ = withFormats(fields, []uint16{0, 1})
			}
		}
		_ = shiftPosition(body, n%1000)
		db := newDatabase("x")
		db.view.Store(newView(&catalog.Snapshot{}))
		p := policy.Uniform(policy.Block, 1)
		s := session{j: &Judge{}, db: db, stmts: map[string]*prepared{"s": {}}, portals: map[string]*portal{"p": {prepared: &prepared{}}}}
		s.j.rules.Store(&p)
		s.rules.set(&p, s.j.marked(&p), policy.Subject{})
		for _, typ := range []byte("BDEC") {
			s.Wants(typ, body)
		}
	})
}
