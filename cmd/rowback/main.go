// Command rowback guards PostgreSQL against mass deletes and restores what
// they removed. One file a subcommand; none has logic of its own.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal ends the work in order (the proxy drains, a restore rolls
	// back); the second one finds the default handler and ends the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, newEnvironment(os.Environ())))
}

// run is main with its surroundings passed in. It is the one place where an
// error becomes text on stderr and an exit code.
func run(ctx context.Context, args []string, stdin io.Reader, out, stderr io.Writer, env environment) int {
	started := false
	written := &stdout{Writer: out}
	root := newRootCommand(env, &started)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(written)
	root.SetErr(stderr)
	finishRoot(root)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		if err = written.err; err == nil {
			return exitDone
		}
		started = true
	}
	code := exitCode(err)
	if !started {
		// cobra refused the command line before any command ran.
		code = exitUsage
	}
	if ctx.Err() != nil && code == exitFailed {
		fmt.Fprintf(stderr, "rowback: interrupted (%v)\n", err)
		return code
	}
	fmt.Fprintf(stderr, "rowback: %v\n", err)
	if !started {
		fmt.Fprintf(stderr, "See '%s --help'.\n", cmd.CommandPath())
	}
	return code
}
