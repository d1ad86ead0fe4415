package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer"
)

// wantedRecovery is what `orderflow endpoint recover` was asked for.
type wantedRecovery struct {
	since, until, by string

	all, follow, asJSON bool
}

func newEndpointRecover() *cobra.Command {
	var w wantedRecovery
	c := &cobra.Command{
		Use:   "recover MERCHANT ENDPOINT",
		Short: "Tell an endpoint once more what it should have heard in some time",
		Long: `Tell an endpoint once more what it should have heard since --since: a time such as
2026-03-02T09:30:00Z, or how long ago: 24h. It is what the endpoint subscribes to and
has not acknowledged; with --all, also what it has. It goes behind all else that the
endpoint is told, by the workers of the service. --follow waits for its end; broken
off, the recovery goes on. "orderflow recovery show" says how far it is, "orderflow
recovery cancel" ends it.`,
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := w.recovery(args[0], args[1], now())
			if err != nil {
				return &usageError{err}
			}
			return w.run(c, r)
		},
	}
	c.Flags().StringVar(&w.since, "since", "", "what was written then or later, at most 720h ago")
	c.Flags().StringVar(&w.until, "until", "", "what was written before (default: now)")
	c.Flags().BoolVar(&w.all, "all", false, "also what it has acknowledged, and what became pointless")
	c.Flags().StringVar(&w.by, "by", "", "who you are, to be shown with it (default: the name of your account)")
	c.Flags().BoolVar(&w.follow, "follow", false, "wait for its end")
	c.Flags().BoolVar(&w.asJSON, "json", false, "print JSON")
	return c
}

func (w *wantedRecovery) recovery(merchantID, endpoint string, now time.Time) (r merchant.Recovery, err error) {
	r = merchant.Recovery{ID: ident.New[merchant.Recovery](), MerchantID: merchantID, All: w.all}
	if r.EndpointID, err = ident.Parse[merchant.Endpoint](endpoint); err != nil {
		return r, err
	}
	if r.Actor, err = operator(w.by); err != nil {
		return r, err
	}
	if r.Since, err = moment("--since", w.since, now); err != nil {
		return r, err
	}
	if r.Until, err = moment("--until", w.until, now); err != nil {
		return r, err
	}
	checked := r
	if checked.Until.IsZero() {
		checked.Until = now
	}
	var faults order.Invalid
	if errors.As(checked.Check(now), &faults) {
		return r, fmt.Errorf("--%s: %s", faults[0].Field, faults[0].Message)
	}
	return r, nil
}

func (w *wantedRecovery) run(c *cobra.Command, wanted merchant.Recovery) error {
	d, err := openDB(c)
	if err != nil {
		return err
	}
	defer d.Close()
	r, err := d.StartRecovery(c.Context(), wanted, now())
	var other *merchant.UnderwayError
	switch {
	case errors.Is(err, order.ErrNotFound):
		return noEndpoint(wanted.MerchantID, wanted.EndpointID)
	case errors.As(err, &other):
		return fmt.Errorf("recovery %s of the endpoint is running: see `orderflow recovery show %s`, or end it with `orderflow recovery cancel %s`", other.Recovery, other.Recovery, other.Recovery)
	case err != nil:
		return err
	}
	if w.follow {
		if r, err = follow(c, d, r); err != nil {
			return err
		}
	}
	if w.asJSON {
		return printJSON(c.OutOrStdout(), producer.RecoveryView(r))
	}
	showRecovery(c, r)
	return nil
}

// follow says how far a recovery is, each time that it has moved, until it ends.
func follow(c *cobra.Command, d *db.DB, r merchant.Recovery) (merchant.Recovery, error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for said := ""; r.State == merchant.RecoveryRunning; {
		if says := advance(r); says != said {
			fmt.Fprintln(c.ErrOrStderr(), says)
			said = says
		}
		select {
		case <-tick.C:
		case <-c.Context().Done():
			return r, fmt.Errorf("recovery %s goes on: %w", r.ID, c.Context().Err())
		}
		var err error
		if r, err = d.Recovery(c.Context(), r.ID); err != nil {
			return r, err
		}
	}
	return r, nil
}

// advance is how far a recovery is, in one line.
func advance(r merchant.Recovery) string {
	return fmt.Sprintf("%d of %s notices checked, %d queued: %d delivered, %d waiting, %d failed", r.Checked, total(r), r.Queued, r.Delivered, r.Waiting, r.Failed)
}

func total(r merchant.Recovery) string {
	if r.Total < 0 {
		return "many"
	}
	return fmt.Sprint(r.Total)
}
