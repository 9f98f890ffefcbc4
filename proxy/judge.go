package proxy

import "context"

// Info is what is known of a session once the server has accepted it.
type Info struct {
	Database, User, Application string
	Client                      string // remote host:port, "local" for a unix socket
	Server                      string // address of the server connected to
	Replication                 bool
	Parameters                  map[string]string // ParameterStatus values reported so far; owned by the session
}

// Judge makes one Session for each client session. A nil Judge relays everything.
type Judge interface {
	Session(ctx context.Context, info Info) Session
}

// Session judges the client messages of one session. Its methods are called
// from one goroutine only, in the order of the client's messages.
type Session interface {
	// Wants reports whether Message must see this client message. typ is the
	// message type, body its payload without the 5-byte header. body may hold
	// only the first part of a very long message when typ is none of Q and P
	// (total is the payload's whole length). Must be cheap: it runs for
	// each Q, P, B, D, E, C, S, F message.
	Wants(typ byte, body []byte) bool
	// Message handles one client message that Wants asked for. It either calls
	// w.Forward, or acts in its stead. An error ends the session.
	Message(ctx context.Context, w Wire, typ byte, body []byte) error
	// Close is called once, when the session has ended.
	Close()
}

// Wire is a session's connection as seen by a Session inside Message. All
// frames passed are whole messages. Nothing else is read from the client or
// relayed while Message runs, except that asynchronous messages of the server
// (NoticeResponse, NotificationResponse, ParameterStatus) are passed on to the
// client as they arrive.
type Wire interface {
	// Forward sends the message under judgement to the server unchanged.
	// Its answers flow to the client as usual.
	Forward()
	// Quiesce sends Flush if needed, waits until the server has answered every
	// message forwarded so far (the answers go to the client), and from then on
	// answers are for Receive. It reports whether the server is discarding
	// messages up to the next Sync because of an error.
	Quiesce(ctx context.Context) (failed bool, err error)
	// TxStatus is the status of the last ReadyForQuery: 'I', 'T' or 'E'.
	TxStatus() byte
	// Send queues a message for the server; Receive and the end of Message flush it.
	Send(typ byte, body []byte)
	// Receive returns the server's next message. Only after Quiesce. body is
	// valid until the next Receive.
	Receive(ctx context.Context) (typ byte, body []byte, err error)
	// Reply queues a message for the client. Back-pressure applies.
	Reply(typ byte, body []byte) error
	// ReadClient returns the client's next message (COPY data inside an exchange).
	ReadClient(ctx context.Context) (typ byte, body []byte, err error)
	// Parameter returns the latest ParameterStatus value.
	Parameter(name string) string
}
