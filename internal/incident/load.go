package incident

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Load creates the tables in the connection's database and fills them, in one
// transaction, then analyzes them.
func Load(ctx context.Context, conn *pgx.Conn, s Size) error {
	if err := s.check(); err != nil {
		return err
	}
	steps := []string{
		"BEGIN; SET LOCAL TimeZone = 'UTC'; SET LOCAL maintenance_work_mem = '256MB'",
		schema, s.rows(), constraints, "COMMIT",
		"VACUUM (ANALYZE) " + strings.Join(Tables, ", "),
	}
	for _, sql := range steps {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("incident: load: %w", err)
		}
	}
	return nil
}

// rows is the SQL that makes the rows. In every table row k of its 0…n-1 is
// lost if k < lost, and has the id that scatter gives it; a lost row's parent
// is a lost one, any other's is one that stays.
func (s Size) rows() string {
	r := strings.NewReplacer(
		":customers", fmt.Sprint(s.Customers),
		":orders", fmt.Sprint(s.Orders.Rows), ":order_lost", fmt.Sprint(s.Orders.Lost), ":order_step", fmt.Sprint(scatter(s.Orders.Rows)),
		":payments", fmt.Sprint(s.Payments.Rows), ":payment_lost", fmt.Sprint(s.Payments.Lost), ":payment_step", fmt.Sprint(scatter(s.Payments.Rows)),
		":refunds", fmt.Sprint(s.Refunds.Rows), ":refund_lost", fmt.Sprint(s.Refunds.Lost), ":refund_step", fmt.Sprint(scatter(s.Refunds.Rows)),
		":audits", fmt.Sprint(s.AuditLog.Rows), ":audit_lost", fmt.Sprint(s.AuditLog.Lost), ":audit_step", fmt.Sprint(scatter(s.AuditLog.Rows)),
	)
	return r.Replace(rows)
}

const rows = `
INSERT INTO customers
SELECT id, md5('customer' || id)::uuid, 'customer' || id || '@example.org',
       (ARRAY['Ada','Björn','Chloé','Dmitri','Emeka','Fatima','Grace','Hiro'])[id % 8 + 1] || ' ' || initcap(translate(left(md5('name' || id), 7), '0123456789', 'aeioulmnrs')),
       jsonb_build_object('locale', (ARRAY['en','de','fr','ja'])[id % 4 + 1], 'newsletter', id % 3 = 0),
       timestamptz '2019-03-01 08:00Z' + id * interval '3 hours'
FROM generate_series(bigint '1', :customers) id;

INSERT INTO orders
SELECT k * :order_step % :orders + 1 AS id, k % :customers + 1, 'R' || lpad((k * :order_step % :orders + 1)::text, 8, '0'),
       (ARRAY['paid','shipped','shipped','returned'])[k % 4 + 1], k < :order_lost, (k * 7919 % 250000 + 500) / 100.0,
       (ARRAY['EUR','EUR','USD','GBP'])[k % 4 + 1], CASE WHEN k % 9 = 0 THEN 'gift: "' || left(md5('note' || k), 12) || '"' END,
       timestamptz '2023-01-01 00:00Z' + (k * :order_step % :orders) * interval '13 minutes 7.25 seconds'
FROM generate_series(bigint '0', :orders - 1) k ORDER BY 1;

INSERT INTO payments OVERRIDING SYSTEM VALUE
SELECT k * :payment_step % :payments + 1 AS id,
       CASE WHEN k < :payment_lost THEN k % nullif(:order_lost, 0) ELSE :order_lost + k % (:orders - :order_lost) END * :order_step % :orders + 1,
       md5('payment' || k)::uuid, (ARRAY['card','card','transfer','wallet'])[k % 4 + 1], (k * 6151 % 90000 + 100) / 100.0,
       CASE WHEN k % 11 <> 0 THEN timestamptz '2023-01-01 06:00Z' + (k * :payment_step % :payments) * interval '4 minutes 1.125 seconds' END
FROM generate_series(bigint '0', :payments - 1) k ORDER BY 1;

INSERT INTO refunds
SELECT k * :refund_step % :refunds + 1 AS id,
       CASE WHEN k < :refund_lost THEN k % nullif(:payment_lost, 0) ELSE :payment_lost + k % (:payments - :payment_lost) END * :payment_step % :payments + 1,
       (k * 4099 % 9000 + 50) / 100.0, (ARRAY['damaged','late',NULL,'changed mind','double charge'])[k % 5 + 1],
       timestamptz '2023-01-03 09:30Z' + (k * :refund_step % :refunds) * interval '9 minutes 11 seconds'
FROM generate_series(bigint '0', :refunds - 1) k ORDER BY 1;

INSERT INTO audit_logs
SELECT k * :audit_step % :audits + 1 AS id,
       CASE WHEN k < :audit_lost THEN k % nullif(:order_lost, 0) ELSE :order_lost + k % (:orders - :order_lost) END * :order_step % :orders + 1,
       (ARRAY['system','api','support','warehouse'])[k % 4 + 1], (ARRAY['created','status changed','address changed','viewed','exported'])[k % 5 + 1],
       CASE WHEN k % 6 = 0 THEN jsonb_build_object('from', k % 97, 'ip', '10.0.' || k % 256 || '.' || k % 251) END,
       timestamptz '2023-01-01 00:00Z' + (k * :audit_step % :audits) * interval '37.5 seconds'
FROM generate_series(bigint '0', :audits - 1) k ORDER BY 1;
`

// scatter returns a step with which k*step%n visits each of 0…n-1 once and
// neighbours lie far apart: near n by the golden ratio, and prime to n.
func scatter(n int64) int64 {
	for step := int64(float64(n)*0.618) + 1; ; step++ {
		if gcd(step, n) == 1 {
			return step
		}
	}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
