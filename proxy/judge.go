package proxy

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/budget"
)

// Info is what is known of a session once the server has accepted it.
type Info struct {
	Database, User, Application string
	Client                      string // remote host:port, "local" for a unix socket
	Server                      string // address of the server connected to
	Replication                 bool   // replication=database: the server takes simple Queries only
	CancelKey                   string // a digest of the key that cancels what the session does; "" if it has none

	Memory *budget.Share // what the session takes of Options.Memory; nil: any amount
}

// Judge makes one Session for each client session, when its first message after
// the startup arrives; none for connections for physical replication, which take no SQL. A nil Judge relays
// everything. ctx ends when sessions are ended at once. info stays as it is.
type Judge interface {
	Session(ctx context.Context, info *Info) Session
}

// Session judges the client messages of one session. Its methods are called
// from one goroutine only, in the order of the client's messages.
type Session interface {
	// Wants reports whether Message must see this client message. typ is the
	// message type, body its payload without the 5-byte header. body may hold
	// only the first part (at least 4,000 bytes) of a longer message when typ is
	// none of Q and P. Must be cheap: it runs for each Q, P, B, D, E, C, S, F, H
	// message, before what came ahead of it has gone to the server.
	Wants(typ byte, body []byte) bool
	// Message handles one client message that Wants asked for. It either calls
	// w.Forward, or acts in its stead. An error ends the session: what was queued
	// for the server is dropped, what was queued for the client is not, and the
	// client gets a FATAL error without the text of err. w and body are valid
	// until Message returns.
	Message(ctx context.Context, w Wire, typ byte, body []byte) error
	// NoRoom is Message for one that there is no room for (see Options.Memory): it gives
	// the client e and has the server fail the transaction, as a server would that had no
	// room. What the message says nobody knows; if Wants has not seen it, it will not. Not
	// called in replication sessions. An error ends the session.
	NoRoom(ctx context.Context, w Wire, typ byte, e *pgproto3.ErrorResponse) error
	// Close is called once, when the session has ended.
	Close()
}

// Wire is a session's connection as seen by a Session inside Message. All
// frames passed are whole messages. Nothing else is read from the client or
// relayed while Message runs, except that asynchronous messages of the server
// (NoticeResponse, NotificationResponse, ParameterStatus) are passed on to the
// client as they arrive.
type Wire interface {
	// Forward sends the message under judgement to the server unchanged, once.
	// Its answers flow to the client as usual; after Quiesce they are for Receive,
	// or for the client when Message returns.
	Forward()
	// Quiesce sends Flush if needed, waits until the server has answered every
	// message forwarded so far (the answers go to the client), and from then on
	// answers are for Receive. It reports whether the server is discarding
	// messages up to the next Sync because of an error. Called again, it first
	// gives the client what Receive has not taken. ErrCopyIn: the server waits for
	// COPY data, so there is no answer to wait for; see there.
	Quiesce(ctx context.Context) (failed bool, err error)
	// TxStatus is the status of the last ReadyForQuery: 'I', 'T' or 'E'.
	TxStatus() byte
	// Ignored reports whether the server has ignored a Sync since its last ReadyForQuery,
	// as it does amid COPY data: what came before belongs to the same exchange. Only
	// after Quiesce.
	Ignored() bool
	// Send queues a message for the server; Receive and the end of Message flush
	// it. Who sends much without Receive may fill the server's buffers and wait for ever.
	Send(typ byte, body []byte)
	// Push has what is queued for the server sent now, whatever takes long behind it.
	Push()
	// Receive returns the server's next message. Only after Quiesce. body is
	// valid until the next call. It works on when the client is gone. A FATAL error
	// of the server goes to the client as it is, and Receive returns an error.
	Receive(ctx context.Context) (typ byte, body []byte, err error)
	// Mute has Receive keep those notices of the server from the client of whose bodies
	// notice says so, beside those that it keeps already: with each new message, none. It
	// returns what was in force.
	Mute(notice func(body []byte) bool) (was func(body []byte) bool)
	// Unmute puts that in force again.
	Unmute(was func(body []byte) bool)
	// Trail has notifications ('A') and settings ('S') come right before the next ReadyForQuery
	// that is replied, where the server says them, and not before answers that are held back.
	Trail(types string)
	// Reply queues a message for the client; Receive, CopyIn and the end of
	// Message flush it. Only after Quiesce. Back-pressure applies.
	Reply(typ byte, body []byte) error
	// CopyIn sends the client's COPY data on, after Receive has returned CopyInResponse, up to
	// its end and a Flush, and passes on meanwhile what the server says beside its answers.
	// It returns when there is something for Receive: what comes of the data then, as the
	// server does not wait for their end with an error, goes to the server as any message does.
	CopyIn(ctx context.Context) error
	// Ahead returns the message that the client has already sent behind the one under
	// judgement, from bytes further, and where the next one starts; it does not wait.
	// Only after Quiesce. body is valid until CopyIn is called or Message returns.
	Ahead(from int) (typ byte, body []byte, next int, ok bool)
	// Skip uses up the first n bytes of these: Session.Wants is not asked for them.
	Skip(n int)
	// Sync goes on with a Sync that comes next in them, as if Message had been called for it: it is
	// under judgement from then on, without Session.Wants having been asked. What is queued for
	// the client may then wait for what the server answers to it. false: something else comes next, or nothing yet.
	Sync() bool
	// Pause sends what is queued and waits until done returns true; it is asked
	// every so often, and the errors wait for its answer. Only after Quiesce, with
	// no answer of the server due. The errors: the client or the server has gone, ErrCanceled (a cancel request,
	// which then does not reach the server), ErrDraining, the end of ctx.
	Pause(ctx context.Context, every time.Duration, done func(context.Context) bool) error
	// OnIdle has f called once, when the server next says that it is outside of any
	// transaction block, before the client is told. f must not wait.
	OnIdle(f func())
	// Parameter returns the latest ParameterStatus value.
	Parameter(name string) string
}
