package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/orderflow/orderflow/db/dbtest"
)

// TestMain puts this test binary into PATH as orderflow: run under that name it
// is the program.
func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"orderflow": orderflow})
}

type suite struct{ *testing.M }

func (s suite) Run() int { return dbtest.Run(s.M) }

// orderflow does what main does.
func orderflow() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := Run(ctx, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
