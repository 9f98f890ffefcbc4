package guard

import (
	"context"

	"github.com/rowback/rowback/proxy"
)

// describeStatement prepares a text under a private name for its RowDescription.
func describeStatement(ctx context.Context, w proxy.Wire, sql string, types []byte) ([]byte, error) {
	fields, err := tryStatement(ctx, w, sql, types)
	if err == nil && fields == nil {
		err = errMalformed
	}
	return fields, err
}

// tryStatement is describeStatement of one that may return no rows: nil. A failure is
// the statement's own.
func tryStatement(ctx context.Context, w proxy.Wire, sql string, types []byte) (fields []byte, err error) {
	defer w.Unmute(w.Mute(own)) // it is said again when the statement runs
	w.Send('C', target('S', private))
	w.Send('P', parseBody(private, sql, types))
	w.Send('D', target('S', private))
	w.Send('C', target('S', private))
	w.Send('H', nil)
	for closed := 0; closed < 2; {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return nil, err
		}
		switch typ {
		case '3':
			closed++
		case 'T':
			fields = append([]byte(nil), body...)
		case 'E':
			return nil, &failure{body: append([]byte(nil), body...)}
		}
	}
	return fields, nil
}

// parameterTypes are the types of a prepared statement's parameters, as in Parse.
func parameterTypes(ctx context.Context, w proxy.Wire, statement string) (types []byte, err error) {
	defer w.Unmute(w.Mute(own))
	w.Send('D', target('S', brief(statement)))
	w.Send('H', nil)
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return nil, err
		}
		switch typ {
		case 't':
			types = append([]byte(nil), body...)
		case 'T', 'n':
			return types, nil
		case 'E':
			return nil, refused(body)
		}
	}
}

// failure is an error of the client's own statement, met while looking into it.
type failure struct{ body []byte }

func (f *failure) Error() string { return errorText(f.body) }

// describesNothing: in a failed block the server describes what returns no rows, as the client's
// own DELETE, and not its captured form. That Sync leaves the block as it is.
func (s *session) describesNothing(ctx context.Context, w proxy.Wire) error {
	if err := syncThrough(ctx, w); err != nil {
		return err
	}
	return w.Reply('n', nil)
}
