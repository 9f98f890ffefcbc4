package incident

import "fmt"

// Share is a table's size and how much of it the incident removes.
type Share struct{ Rows, Lost int64 }

// Size says how much of everything there is.
type Size struct {
	Customers                           int64 // none is lost
	Orders, Payments, Refunds, AuditLog Share
}

// Published is the size of the incident as it was published: 50,382 rows lost.
var Published = Size{
	Customers: 12_408,
	Orders:    Share{58_921, 1_237},
	Payments:  Share{192_453, 8_642},
	Refunds:   Share{84_229, 12_109},
	AuditLog:  Share{1_203_442, 28_394},
}

// Small is for tests: a hundredth, 503 rows lost.
var Small = Size{
	Customers: 124,
	Orders:    Share{589, 12},
	Payments:  Share{1_924, 86},
	Refunds:   Share{842, 121},
	AuditLog:  Share{12_034, 284},
}

// Lost is the number of rows that MassDelete removes, cascades included.
func (s Size) Lost() int64 {
	return s.Orders.Lost + s.Payments.Lost + s.Refunds.Lost + s.AuditLog.Lost
}

// Share returns a table's share.
func (s Size) Share(table string) Share {
	switch table {
	case "customers":
		return Share{Rows: s.Customers}
	case "orders":
		return s.Orders
	case "payments":
		return s.Payments
	case "refunds":
		return s.Refunds
	case "audit_logs":
		return s.AuditLog
	}
	return Share{}
}

// check refuses sizes in which a row would have no parent.
func (s Size) check() error {
	if s.Customers < 1 {
		return fmt.Errorf("incident: there must be a customer")
	}
	for _, t := range []struct{ child, parent Share }{
		{s.Orders, Share{s.Customers, 0}}, {s.Payments, s.Orders}, {s.Refunds, s.Payments}, {s.AuditLog, s.Orders},
	} {
		kept, parentKept := t.child.Rows-t.child.Lost, t.parent.Rows-t.parent.Lost
		if kept < 0 || t.child.Lost < 0 || (kept > 0 && parentKept < 1) {
			return fmt.Errorf("incident: sizes %+v do not fit together", s)
		}
	}
	for _, t := range []struct{ child, parent Share }{{s.Payments, s.Orders}, {s.Refunds, s.Payments}, {s.AuditLog, s.Orders}} {
		if t.child.Lost > 0 && t.parent.Lost < 1 {
			return fmt.Errorf("incident: sizes %+v do not fit together", s)
		}
	}
	return nil
}
