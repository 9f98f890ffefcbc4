package recovery

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// proveDistinct refuses to go on unless the two sessions are in different
// databases, however they were reached, and production takes writes.
//
// Host names and ports prove nothing: a proxy or a DNS alias may lie between.
// An advisory lock does. It is held in one database of one server, so the lock
// that one session takes is seen by the other exactly if both are in the same.
func proveDistinct(ctx context.Context, production, recovery *side) error {
	same, err := same(ctx, production, recovery)
	if err != nil {
		return err
	}
	if same {
		return refuse(Usage, fmt.Sprintf("the recovery database (%s) is the production database itself (%s); name a copy from before the deletion with --recovery", recovery.where(), production.where()))
	}
	return refuseStandby(ctx, production)
}

// same: the two are one database, however they were reached.
func same(ctx context.Context, production, recovery *side) (bool, error) {
	var b [8]byte
	_, _ = rand.Read(b[:])
	hi, lo := int32(binary.BigEndian.Uint32(b[:4])), int32(binary.BigEndian.Uint32(b[4:]))
	lock := fmt.Sprintf("(%d, %d)", hi, lo)
	if err := production.exec(ctx, "SELECT pg_catalog.pg_advisory_lock"+lock); err != nil {
		return false, err
	}
	seen, err := recovery.number(ctx, fmt.Sprintf(`
		SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 2
		AND classid::int8 = %d AND objid::int8 = %d
		AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`, uint32(hi), uint32(lo)))
	if err != nil {
		return false, err
	}
	if err := production.exec(ctx, "SELECT pg_catalog.pg_advisory_unlock"+lock); err != nil {
		return false, err
	}
	return seen > 0, nil
}

// refuseStandby refuses a production that takes no writes.
func refuseStandby(ctx context.Context, production *side) error {
	standby, err := production.number(ctx, "SELECT pg_catalog.pg_is_in_recovery()::int")
	if err != nil {
		return err
	}
	if standby == 1 {
		return refuse(Usage, fmt.Sprintf("production (%s) is a read-only standby; name its primary with --production", production.where()))
	}
	return nil
}
