package guard

import "github.com/jackc/pgx/v5/pgproto3"

// SQLSTATEs of rowback's own, see the README.
const (
	codeBlocked    = "RB001"
	codeNoEvidence = "RB002"
	codeHeld       = "RB003" // of the notice that a statement waits
)

// noEvidenceError has no cause: that may name the journal's server, which is the log's to know.
func noEvidenceError() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: codeNoEvidence,
		Message: "rowback cannot make the evidence of this deletion durable",
		Detail:  "Nothing was removed. The journal cannot be written; rowback's log says why.",
		Hint:    "Ask an operator to mend rowback's journal (its server, disk space, permissions); deletes work again by themselves then.",
	}
}

// changedError is for a statement that was planned for another state of the
// catalog. Clients that retry serialization failures run it again by themselves.
func changedError() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "40001",
		Message: "what this DELETE would remove has just changed: its table's name, foreign keys, triggers or partitions",
		Detail:  "Nothing was removed. rowback judges a statement by the catalog, which was changed past it.",
		Hint:    "Run the transaction again.",
	}
}

func faultError(err error) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "XX000",
		Message: "rowback could not judge this statement: " + err.Error(),
		Hint:    "The transaction is rolled back. rowback's log has the details.",
	}
}

// canceledError is what the server says to a cancel request, for a statement
// that it has not seen yet.
func canceledError() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "57014",
		Message: "canceling statement due to user request",
	}
}

// ranError is what the server says of a portal that returns no rows and has run.
func ranError(portal string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "55000",
		Message: "portal \"" + portal + "\" cannot be run",
	}
}
