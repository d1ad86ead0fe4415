package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/loadgen"
)

// welcome says where everything is and how to take an order through.
func welcome(o DevOptions, cfg config.Config, servers []string, took time.Duration) {
	base := cfg.BaseURL()
	keeps := "Data stay in " + o.Dir + "/ and are found again by the next start."
	if o.Ephemeral {
		keeps = "Nothing is kept: the data are gone when this ends."
	}
	fmt.Fprintf(o.Out, `
Orderflow is up, after %.1f s.

  API         %[2]s/v1      docs: %[2]s/docs
  Queues      %[2]s/monitor
  Metrics     %[2]s/metrics      health: %[2]s/readyz
  Sandbox     %[2]s/sandbox/ (a payment channel without money)
  %[3]s

  Keys        dev_app_key   dev_merchant_key (of m_demo)   dev_operator_key
              dev_slow_key (of m_demo_slow, who has 10 s to deliver and 5 s to stop what was called off)
              In a browser: any user name, a key as the password; the operator's opens everything.

Take an order through, in another terminal:

  O=$(curl -s %[2]s/v1/orders -H 'Authorization: Bearer dev_app_key' -H 'Content-Type: application/json' -d '{"merchant_id":"m_demo","buyer_id":"b_1","currency":"CNY","channel":"sandbox","items":[{"sku":"TEA-1","name":"Tea","quantity":1,"unit_price":1299}]}'); echo "$O"
  curl -s -X POST "$(echo "$O" | sed 's/.*"url":"\([^"]*\)".*/\1/')"   # the buyer pays; in a browser it is a page
  sleep 1; curl -s %[2]s/v1/orders/$(echo "$O" | sed 's/.*{"id":"\([^"]*\)","status":"pending_pay".*/\1/')/events -H 'Authorization: Bearer dev_app_key'

Back again: POST /v1/orders/{id}/cancel calls it off, …/refunds gives money back after the delivery; what waits for you: orderflow order held

%[4]s Ctrl-C ends everything.
`, took.Seconds(), base, strings.Join(servers, "\n  "), keeps)
}

// report prints what the traffic came to every few seconds, and a last time when the function that it returns is called.
func report(ctx context.Context, out io.Writer, t *loadgen.Traffic) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintln(out, t.Stats())
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		fmt.Fprintln(out, t.Stats())
	}
}
