package bench

import (
	"context"
	"os/exec"

	"github.com/jackc/pgx/v5"
)

// system is a kind of service that can be measured: all that differs between
// Orderflow and what it is held against.
type system interface {
	name() string
	// prepare makes, in an empty database, the schema and what orders need.
	prepare(ctx context.Context, s site) error
	// command is the service, to be started.
	command(s site) *exec.Cmd
	// ready is the path that answers 200 once the service is up.
	ready() string
	// reader is how the merchant reads notices, by its name in readers.
	reader() (name, secret string)

	// order asks for the n-th order.
	order(n int64, unpaid bool, s site) call
	// made reads the answer to it.
	made(answer []byte) (receipt, error)
	// callback is what the channel says when that order is paid.
	callback(r receipt) call

	// left is how many orders are still on their way to where they will stay.
	left(ctx context.Context, conn *pgx.Conn) (int64, error)
	// verify says what is not as the book says it must be.
	verify(ctx context.Context, conn *pgx.Conn, b *book) (findings []string, err error)
}

// site is where one run takes place.
type site struct {
	addr     string // where the service listens
	database string
	redis    string
	doors    []string // where notices go: merchants have them in turns
	roles    string   // that a process of the service plays; empty: all
	channel  string   // where the payment channel is
	pprof    string   // where the service shows profiles; empty: nowhere
}

// door is where the n-th merchant takes notices.
func (s site) door(n int) string { return s.doors[n%len(s.doors)] }

// receipt is what an answer says of the order that was made.
type receipt struct {
	order   string // as the merchant's notice names it
	payment string // as the channel names it
}
