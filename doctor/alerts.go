package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/rowback/rowback/guard/alert"
)

// alerts: somebody is told; with TestAlerts, that they really are.
func (e *examination) alerts(ctx context.Context) {
	sinks := e.o.Alerts.Sinks
	switch {
	case len(sinks) == 0:
		e.warn("alerts", "name somebody under alerts in the configuration, or with --webhook",
			"nobody is told of what goes over the limits, or is held")
		return
	case !e.o.TestAlerts:
		c := Check{Name: "alerts", Status: OK, Seen: fmt.Sprintf("%d configured; --alert sends each a test", len(sinks))}
		for _, s := range e.o.Alerts.Named() {
			c.List = append(c.List, s.Name+": "+s.To.String())
			if program, is := s.To.(alert.Command); is {
				if err := program.Lacking(); err != nil {
					e.fail("alerts", "mend the path, or chmod +x, for the user that the proxy runs as", "%s: %v", s.Name, err)
				}
			}
		}
		e.add(c)
		return
	}
	for _, r := range alert.New(e.o.Alerts, alert.Options{}).Test(ctx) {
		if r.Error != nil {
			e.fail("alerts", "mend its address or key, or what receives there", "%s (%s) did not take the test: %v", r.Sink, r.To, r.Error)
		} else {
			e.ok("alerts", "%s (%s) took the test in %s", r.Sink, r.To, r.Took.Round(time.Millisecond))
		}
	}
}
