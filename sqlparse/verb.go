package sqlparse

var verbNames = [...]string{
	Plain: "Plain", Delete: "Delete", Truncate: "Truncate", Drop: "Drop", Merge: "Merge", Nested: "Nested",
	Execute: "Execute", Call: "Call", Do: "Do", Unknown: "Unknown",
	Begin: "Begin", Commit: "Commit", Rollback: "Rollback",
	Savepoint: "Savepoint", Release: "Release", RollbackTo: "RollbackTo",
	PrepareTransaction: "PrepareTransaction", CommitPrepared: "CommitPrepared", RollbackPrepared: "RollbackPrepared",
}

func (v Verb) String() string {
	if v < 0 || int(v) >= len(verbNames) {
		return "Verb?"
	}
	return verbNames[v]
}
