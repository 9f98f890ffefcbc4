package guard

import (
	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/journal"
)

// Alerts tells people; see package alert. The caller runs it.
type Alerts = alert.Alerter

// raise tells people of an entry over the limit: log, metric, alert. denied is as in noteBlocked.
func (j *Judge) raise(e *journal.Entry, denied string) {
	j.o.Logger.Warn("mass deletion", "outcome", e.Outcome, "id", e.ID, "what", e.Alert, "rows", e.Rows,
		"database", e.Database, "user", e.User, "application", e.Application, "client", e.Client)
	j.o.Metrics.alerted(e)
	if denied != "" {
		j.o.Alerts.Denied(e, denied)
		return
	}
	j.o.Alerts.Entry(e)
}
