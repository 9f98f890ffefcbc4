package guard

import (
	"bytes"
	"context"
	"errors"

	"github.com/rowback/rowback/proxy"
)

var (
	errMalformed = errors.New("malformed message")
	// errServer: the server refused an injected message; the open transaction is lost.
	errServer = errors.New("the server refused rowback's own query")
)

// private names what rowback prepares in a client's session, and closes again
// in the same exchange: as no client names its own.
const private = "rowback: own"

// lookup runs rowback's own queries in a client's session. It implements
// catalog.Querier.
//
// With own, each query is a transaction of its own, so that it may fail without
// harm: only where nothing of the client's is under way. Otherwise it is part of
// the client's transaction.
type lookup struct {
	w     proxy.Wire
	own   bool
	first string // with own: run before each query in its transaction, unless empty
}

func (l lookup) Query(ctx context.Context, sql string) ([][]*string, error) {
	defer l.w.Unmute(l.w.Mute(own))
	if l.first != "" {
		sendQuery(l.w, l.first)
	}
	sendQuery(l.w, sql)
	if l.own {
		l.w.Send('S', nil)
	} else {
		l.w.Send('H', nil)
	}
	var rows [][]*string
	var err error
	if l.first != "" {
		_, err = receiveQuery(ctx, l.w)
	}
	if err == nil {
		rows, err = receiveQuery(ctx, l.w)
	}
	if err != nil && !errors.Is(err, errServer) {
		return nil, err
	}
	if l.own {
		for {
			typ, _, rerr := l.w.Receive(ctx)
			if rerr != nil {
				return nil, rerr
			}
			if typ == 'Z' {
				break
			}
		}
	}
	return rows, err
}

// sendQuery queues a query of rowback's own, without Sync or Flush.
func sendQuery(w proxy.Wire, sql string) { sendStatement(w, sql, nil, bindText(private, private)) }

// sendStatement is sendQuery with parameters: types as in Parse, bind the whole
// body of Bind.
func sendStatement(w proxy.Wire, sql string, types, bind []byte) {
	w.Send('C', target('S', private)) // left over if an earlier exchange failed
	w.Send('P', parseBody(private, sql, types))
	w.Send('B', bind)
	w.Send('E', executeBody(private))
	w.Send('C', target('P', private))
	w.Send('C', target('S', private))
}

// receiveQuery reads the answers to sendQuery.
func receiveQuery(ctx context.Context, w proxy.Wire) ([][]*string, error) {
	defer w.Unmute(w.Mute(own))
	var rows [][]*string
	for closed := 0; closed < 3; {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return nil, err
		}
		switch typ {
		case '3':
			closed++
		case 'D':
			cols, err := columns(body)
			if err != nil {
				return nil, err
			}
			rows = append(rows, texts(cols))
		case 'E':
			return nil, refused(body)
		}
	}
	return rows, nil
}

// receiveClosed reads up to the answer to a Close.
func receiveClosed(ctx context.Context, w proxy.Wire) error {
	defer w.Unmute(w.Mute(own))
	for {
		typ, body, err := w.Receive(ctx)
		switch {
		case err != nil:
			return err
		case typ == '3':
			return nil
		case typ == 'E':
			return refused(body)
		}
	}
}

// serverError is an errServer with its SQLSTATE, as pgconn.PgError has it.
type serverError struct {
	code, text string
	body       []byte // the ErrorResponse, without its context
	whole      []byte // with it
}

// clients reports whether the error is one that the client's own statement
// would have met as well: no privilege, cancelled, a lock not granted, a
// deadlock, the transaction's own fate.
func (e *serverError) clients() bool {
	switch e.code {
	case "42501", "55P03", "25P02":
		return true
	}
	return len(e.code) == 5 && (e.code[:2] == "57" || e.code[:2] == "40")
}

// isClients reports whether err is a serverError of that kind, but for a privilege.
func isClients(err error) bool {
	var e *serverError
	return errors.As(err, &e) && e.clients() && e.code != "42501"
}

func (e *serverError) Error() string    { return errServer.Error() + ": " + e.text }
func (e *serverError) Unwrap() error    { return errServer }
func (e *serverError) SQLState() string { return e.code }

func refused(body []byte) error {
	return &serverError{errorCode(body), errorText(body), withoutContext(body), bytes.Clone(body)}
}

// sqlState is the SQLSTATE of a refused query, "" of any other error.
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

func texts(cols [][]byte) []*string {
	row := make([]*string, len(cols))
	for i, c := range cols {
		if c != nil {
			s := string(c)
			row[i] = &s
		}
	}
	return row
}
