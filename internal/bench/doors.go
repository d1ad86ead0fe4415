package bench

import (
	"context"
	"net"
	"strings"
	"time"
)

// Doors are the addresses at which a merchant's process takes notices, one for
// each endpoint, and how many of them hang.
type Doors struct {
	Count   int           // 0: one
	Hanging float64       // share of them that hang, evenly spread
	For     time.Duration // how long those keep whoever comes
}

// Hangs says whether the n-th door hangs, counted from 0 and once more from
// the beginning after the last.
func (d Doors) Hangs(n int64) bool { return among(n%int64(d.count())+1, d.Hanging) }

func (d Doors) count() int { return max(d.Count, 1) }

// listen opens every door.
func (d Doors) listen(ctx context.Context) (list []net.Listener, err error) {
	var lc net.ListenConfig
	for range d.count() {
		ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			for _, open := range list {
				_ = open.Close()
			}
			return nil, err
		}
		list = append(list, ln)
	}
	return list, nil
}

func addresses(listeners []net.Listener) string {
	list := make([]string, len(listeners))
	for i, ln := range listeners {
		list[i] = ln.Addr().String()
	}
	return strings.Join(list, " ")
}
