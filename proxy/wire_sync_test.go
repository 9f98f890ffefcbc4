package proxy

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// What the client is told of an Execute goes to it together with the end of the Sync that
// it has sent behind it, whoever sends that on.
func TestWire_SyncBehindAnExecute(t *testing.T) {
	for name, c := range map[string]struct {
		behind []byte // the Execute
		end    func(context.Context, Wire) error
		want   []string
	}{
		"forwarded": {syncFrame, func(ctx context.Context, w Wire) error {
			w.Forward()
			return nil
		}, []string{"12DCZ"}},
		"sent": {syncFrame, func(ctx context.Context, w Wire) error {
			w.Send('S', nil)
			typ, body, err := w.Receive(ctx)
			if err != nil || typ != 'Z' || len(w.(*wire).reply) == 0 {
				return errors.Join(err, errors.New("the client was told before"))
			}
			return w.Reply(typ, body)
		}, []string{"12DCZ"}},
		"with more behind it":      {append(syncFrame, append(prepared("SELECT 1"), syncFrame...)...), nil, []string{"12DCZ", "12DCZ"}},
		"something else behind it": {append(frame(&pgproto3.Flush{}), syncFrame...), nil, []string{"12DCZ"}},
		"after an error":           {append(prepared("SELECT 1/0"), syncFrame...), nil, []string{"12DC1EZ"}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			s := serve(t, Options{Judge: onMarked{types: "ES", do: func(ctx context.Context, w Wire, typ byte, body []byte) error {
				if failed, err := w.Quiesce(ctx); err != nil || failed || typ == 'S' {
					w.Forward()
					return err
				}
				w.Send('E', body)
				w.Send('H', nil)
				for typ := byte(0); typ != 'C' && typ != 'E'; {
					var err error
					if typ, body, err = w.Receive(ctx); err != nil {
						return err
					}
					if err := w.Reply(typ, body); err != nil {
						return err
					}
				}
				if !w.Sync() {
					return nil
				}
				asked++
				if failed, err := w.Quiesce(ctx); failed || err != nil || len(w.(*wire).reply) == 0 {
					return errors.Join(err, errors.New("the client was told before"))
				}
				if c.end == nil {
					w.Forward()
					return nil
				}
				return c.end(ctx, w)
			}}})
			conn := rawSession(t, s)
			write(t, conn, append(prepared("SELECT 1"), c.behind...))
			for _, want := range c.want {
				if got, _ := readUntil(t, conn, 'Z'); got != want {
					t.Errorf("the client saw %s, want %s", got, want)
				}
			}
			if c.end != nil && asked != 1 {
				t.Errorf("%d Syncs went with their Execute", asked)
			}
			write(t, conn, query("SELECT 2"))
			if got, _ := readUntil(t, conn, 'Z'); got != "TDCZ" {
				t.Error("then the client saw", got)
			}
		})
	}
}
