package main

import "errors"

// Exit codes, part of the outside contract.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2 // wrong usage or configuration
	exitProblems = 3 // done, but with rows not restored or checks that found problems
	exitRefused  = 4 // refused for want of confirmation or privilege
)

// exitError carries the exit code that its error leads to.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usageError marks err as wrong usage or configuration.
func usageError(err error) error { return withCode(exitUsage, err) }

// problemsError marks err as work done that left problems, all of them listed already.
func problemsError(err error) error { return withCode(exitProblems, err) }

// refusedError marks err as a refusal for want of confirmation or privilege.
func refusedError(err error) error { return withCode(exitRefused, err) }

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// exitCode is the code of err: of the outermost exitError in it, else exitFailed.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}
