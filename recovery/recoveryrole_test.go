package recovery

import (
	"testing"
)

// On the recovery database nothing is written: a role that may only read is enough there,
// with temporary tables or without.
func TestRecoveryRole_MayOnlySelect(t *testing.T) {
	for _, temporary := range []bool{true, false} {
		l := newLab(t, `CREATE TABLE p (id serial PRIMARY KEY, a text, up int REFERENCES p ON DELETE SET NULL); CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p ON DELETE CASCADE, doc jsonb);
			INSERT INTO p SELECT i, 'a' || i, NULLIF(i / 2, 0) FROM generate_series(1, 60) i; INSERT INTO c SELECT i, i, '{"n": 1}' FROM generate_series(1, 60) i`).backup()
		role := l.role()
		l.on(l.recovery, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+role)
		if !temporary {
			l.on(l.recovery, "REVOKE TEMPORARY ON DATABASE "+l.name+"_recovery FROM PUBLIC")
		}
		before := l.state(l.production)
		o := l.options(l.incident("DELETE FROM p WHERE id > 7"))
		o.Recovery = l.asRole(l.recovery, role)
		if report := l.restore(o); !report.Complete() || l.count(report, "p").Restored != 53 || l.count(report, "c").Restored != 53 {
			t.Errorf("temporary tables %v: %+v", temporary, report)
		}
		l.is(l.state(l.production), before)
		l.is(l.state(l.recovery), before)
	}
}
