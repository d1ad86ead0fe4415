package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/orderflow/orderflow/payment/simulator"
)

// gateway is the payment channel's side that is called: it closes what nobody
// paid. The callbacks come from the buyers.
type gateway struct {
	url    string
	server *http.Server
	box    *simulator.Simulator
	ended  chan struct{}
}

func openGateway(ctx context.Context, secret string) (*gateway, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the channel: %w", err)
	}
	g := &gateway{url: "http://" + ln.Addr().String(), ended: make(chan struct{})}
	if g.box, err = simulator.New(simulator.Options{Secret: secret, BaseURL: g.url}); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("start the channel: %w", err)
	}
	g.server = &http.Server{Handler: g.box, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(g.ended)
		_ = g.server.Serve(ln) // until close
	}()
	return g, nil
}

func (g *gateway) close() {
	_ = g.server.Close()
	<-g.ended
	g.box.Stop()
}
