package guard

import (
	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/journal"
)

// Alerts tells people; see package alert. The caller runs it.
type Alerts = alert.Alerter

// raise tells people of an entry over the limit: log, metric, alert.
func (j *Judge) raise(e *journal.Entry) {
	j.o.Logger.Warn("mass deletion", "outcome", e.Outcome, "id", e.ID, "what", e.Alert, "rows", e.Rows,
		"database", e.Database, "user", e.User, "application", e.Application, "client", e.Client)
	j.o.Metrics.alerted(e)
	j.o.Alerts.Entry(e)
}
