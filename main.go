// Command orderflow is an order pipeline: it takes orders in, takes their
// payment, tells merchants to deliver, and closes what is not paid.
//
//	orderflow dev      everything on this machine, to try it
//	orderflow serve    the service
//	orderflow help     all commands
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/orderflow/orderflow/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends it at once
	code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
