package recovery

import (
	"context"
	"fmt"
)

// hooks runs the configuration's SQL in the transaction of the restore: before
// the rows go in, or after, when they are in and not yet verified. What it does
// to restored rows is found by the verification.
//
// Its triggers and foreign keys work as ever, also where those of the restored
// rows stay quiet. An error stops the restore.
func (r *restore) hooks(ctx context.Context, when string, statements []string) error {
	if len(statements) == 0 {
		return nil
	}
	if err := r.quietly(ctx, false); err != nil {
		return err
	}
	const xid = "SELECT pg_current_xact_id()::text::int8"
	was, err := r.production.number(ctx, xid)
	if err != nil {
		return err
	}
	for i, sql := range statements {
		r.o.Progress.Start(fmt.Sprintf("running %s %d", when, i+1), 0)
		if err := r.production.own(ctx, func() error { return r.production.exec(ctx, sql) }); err != nil {
			return fmt.Errorf("configuration, restore.%s, statement %d: %w", when, i+1, err)
		}
	}
	// A statement alone cannot end a transaction; this is for what we did not think of.
	now, err := r.production.number(ctx, xid)
	if err == nil && now != was {
		err = fmt.Errorf("configuration, restore.%s: it ended the transaction", when)
	}
	return err
}

func (c *Config) hooks() (out []string) {
	for _, sql := range c.Before {
		out = append(out, "before: "+sql)
	}
	for _, sql := range c.After {
		out = append(out, "after: "+sql)
	}
	return out
}
