package alert

import (
	"context"
	"fmt"
	"time"
)

// Config is where alerts go.
type Config struct {
	Sinks []Sink
}

// Sink is one place, and what is told there.
type Sink struct {
	Name    string        // in metrics and logs; "" : its kind, numbered where there are several
	To      Target        // Webhook, Slack, Alertmanager, PagerDuty or Command
	On      []Kind        // nil: blocked, alert and held
	Repeat  time.Duration // in which notices alike are told once; 0: a minute; below 0: each is told
	Timeout time.Duration // of one try; 0: 10s
	SQL     bool          // statement texts are told, too
}

// Target is how a sink is reached.
type Target interface {
	// Where it is, for people, without secrets.
	String() string
	kind() string
	send(ctx context.Context, m *Message) error
	secrets() []string
}

// Secret is a text that prints as xxxxx.
type Secret string

func (Secret) String() string               { return "xxxxx" }
func (Secret) GoString() string             { return "xxxxx" }
func (Secret) MarshalText() ([]byte, error) { return []byte("xxxxx"), nil }

const (
	defaultRepeat  = time.Minute
	defaultTimeout = 10 * time.Second
)

// Named are the sinks with names and defaults, as metrics and logs have them.
func (c Config) Named() []Sink { return c.completed() }

// completed are the sinks with names and defaults filled in.
func (c Config) completed() []Sink {
	sinks := make([]Sink, len(c.Sinks))
	taken := map[string]bool{}
	for _, s := range c.Sinks {
		taken[s.Name] = true
	}
	for i, s := range c.Sinks {
		for n := 1; s.Name == ""; n++ {
			name := s.To.kind()
			if n > 1 {
				name = fmt.Sprintf("%s-%d", name, n)
			}
			if !taken[name] {
				s.Name, taken[name] = name, true
			}
		}
		if s.On == nil {
			s.On = []Kind{Blocked, Alert, Held}
		}
		if s.Repeat == 0 {
			s.Repeat = defaultRepeat
		}
		if s.Timeout == 0 {
			s.Timeout = defaultTimeout
		}
		sinks[i] = s
	}
	return sinks
}
