package guard

import (
	"testing"

	"github.com/rowback/rowback/catalog"
)

// A secret is asked for where triggers may want a ticket: not where they were taken off, which
// leaves their schema with a trigger of its own.
func TestSecret_IsOfTriggersThatAreThere(t *testing.T) {
	schema := []*catalog.Table{
		{OID: 1, Schema: "rowback", Name: "secret"},
		{OID: 2, Schema: "rowback", Name: "evidence", Triggers: []catalog.Trigger{{Name: "rowback_net", Function: "rowback.guard_net"}}},
	}
	for name, c := range map[string]struct {
		triggers         []catalog.Trigger
		with             []*catalog.Table
		installed, fires bool
	}{
		"never there": {},
		"taken off":   {with: schema, installed: true},
		"there":       {with: schema, triggers: []catalog.Trigger{{Name: "rowback_block", Function: "rowback.guard_block_10"}}, installed: true, fires: true},
		"another's":   {with: schema, triggers: []catalog.Trigger{{Name: "t", Function: "public.guard_block"}}, installed: true},
	} {
		snap := &catalog.Snapshot{Tables: map[uint32]*catalog.Table{9: {OID: 9, Schema: "public", Name: "orders", Triggers: c.triggers}}}
		for _, x := range c.with {
			snap.Tables[x.OID] = x
		}
		if isInstalled(snap) != c.installed || isOnTables(snap) != c.fires {
			t.Errorf("%s: installed %v, on tables %v", name, isInstalled(snap), isOnTables(snap))
		}
	}
}
