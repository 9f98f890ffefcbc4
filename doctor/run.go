package doctor

import (
	"context"
	"time"

	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal/pgjournal"
	"github.com/rowback/rowback/recovery"
)

// Options are what is configured. Addresses are what pgx connects to.
type Options struct {
	ConfigFile string        // that was read; "" if none
	Policy     policy.Policy // what is allowed
	Listen     string        // of the proxy, host:port or a directory
	Upstream   string
	Redacted   string // Upstream for people
	Control    bool   // Upstream has credentials
	Production string
	Recovery   string // "" if none
	Journal    string // directory, or the URL of a shared one
	Admin      string // host:port, "" if switched off

	ControlSettings map[string]string // of the proxy's own connections to Upstream

	AdminTokens   func() error // whether the endpoint's tokens can be read; nil: there are none
	AdminClientCA string       // PEM file: the endpoint speaks TLS, to clients with a certificate of it

	MaxMemory string // as it is given
	Memory    string // what there is, where MaxMemory is more; else ""

	JournalKey     func() ([]byte, error) // reads the key of images; nil: none is configured
	JournalKeyFile string                 // where it stands, "" if in no file

	TLSCert, TLSKey, TLSClientCA string // PEM files, "" if none
	RequireTLS                   bool   // of clients

	Restore    *recovery.Config // of restores; nil: none
	Alerts     alert.Config
	TestAlerts bool // send each sink a test

	LeastFree uint64           // bytes on the journal's disk below which to warn; 0: 1 GiB
	Now       func() time.Time // nil: time.Now
}

// patience is the longest wait for one answer over the network.
const patience = 10 * time.Second

// examination is one run.
type examination struct {
	Report
	o Options

	production, recovery *recovery.Session      // nil unless they could be opened
	seenDatabases        []string               // that the journal's newest entries name
	runs                 bool                   // a proxy answers at the admin endpoint
	absent               bool                   // nobody listens there
	journalServer        *pgjournal.Examination // of a shared journal that could be reached
}

// Run makes every check; its own error is that ctx ended.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.LeastFree == 0 {
		o.LeastFree = 1 << 30
	}
	e := &examination{o: o}
	defer e.close()
	for _, look := range []func(context.Context){
		e.configuration, e.memory, e.rules, e.upstream, e.control, e.journal, e.tls, e.admin, e.listen,
		e.productionDatabase, e.protection, e.journalApart, e.ruleNames, e.recoveryDatabase, e.restore, e.alerts,
	} {
		look(ctx)
		if ctx.Err() != nil {
			return &e.Report, ctx.Err()
		}
	}
	return &e.Report, nil
}

func (e *examination) close() {
	for _, s := range []*recovery.Session{e.production, e.recovery} {
		if s != nil {
			_ = s.Close() // only read from
		}
	}
}
