package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/app"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// wantedEndpoint is what `orderflow endpoint create` was asked for.
type wantedEndpoint struct {
	events         []string
	signature, ack string
	retry          []time.Duration
}

func newEndpointCreate() *cobra.Command {
	var w wantedEndpoint
	c := &cobra.Command{
		Use:   "create MERCHANT URL",
		Short: "Make an endpoint for a merchant's notices; its secret is shown once",
		Long: `Make an endpoint, and print its id and, on the next line, its secret; of a key pair
(--signature v1a), the public key. It is told of everything unless --events names
types such as order.paid, or families such as refund.*. With --ack success, or
code-success, handlers written for Alipay or WeChat Pay take notices unchanged.`,
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error { return w.run(c, args[0], args[1]) },
	}
	c.Flags().StringSliceVar(&w.events, "events", nil, "types and families that it is told of (default: all)")
	c.Flags().StringVar(&w.signature, "signature", string(merchant.V1), "v1 or v1a")
	c.Flags().StringVar(&w.ack, "ack", string(merchant.Ack2xx), "the answer that acknowledges: 2xx, success or code-success")
	c.Flags().DurationSliceVar(&w.retry, "retry", nil, "waits between tries, such as 5s,1m,1h (default: the usual ones)")
	return c
}

func (w *wantedEndpoint) run(c *cobra.Command, merchantID, url string) error {
	if err := w.check(); err != nil {
		return &usageError{err}
	}
	cfg, d, err := openWith(c)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := merchant.CheckURL(url, allowsLoopback(cfg)); err != nil {
		return &usageError{err}
	}
	secret := merchant.NewSecretFor(merchant.Scheme(w.signature))
	e := merchant.Endpoint{
		ID: ident.New[merchant.Endpoint](), MerchantID: merchantID, URL: url, Events: w.events, Secrets: []string{secret},
		PublicKey: merchant.PublicKey(secret), Ack: merchant.AckMode(w.ack), Schedule: w.retry, CreatedAt: now(),
	}
	if err := d.CreateEndpoint(c.Context(), e); errors.Is(err, order.ErrNotFound) {
		return noMerchant(merchantID)
	} else if err != nil {
		return err
	}
	fmt.Fprintln(c.OutOrStdout(), e.ID)
	fmt.Fprintln(c.OutOrStdout(), cmp.Or(e.PublicKey, secret))
	fmt.Fprintf(c.ErrOrStderr(), "Hand the second line to the merchant now: it is not shown again. To try it: orderflow endpoint test %s %s\n", merchantID, e.ID)
	return nil
}

// check says what is wrong with what was asked for; nil: nothing.
func (w *wantedEndpoint) check() error {
	known := merchant.Subscriptions()
	for _, t := range w.events {
		if !slices.Contains(known, t) {
			return fmt.Errorf("--events %q: want one of %s", t, strings.Join(known, ", "))
		}
	}
	if s := merchant.Scheme(w.signature); s != merchant.V1 && s != merchant.V1A {
		return errors.New("--signature: want v1 or v1a")
	}
	if w.ack == "" || !merchant.AckMode(w.ack).Valid() {
		return fmt.Errorf("--ack %q: want 2xx, success or code-success", w.ack)
	}
	if err := merchant.CheckSchedule(w.retry); err != nil {
		return fmt.Errorf("--retry: %w", err)
	}
	return nil
}

func newEndpointPause() *cobra.Command {
	return newEndpointPaused("pause", "Hold what an endpoint should hear, until it is resumed", true)
}

func newEndpointResume() *cobra.Command {
	return newEndpointPaused("resume", "Send an endpoint what is held for it; enables one that is disabled", false)
}

func newEndpointPaused(verb, short string, paused bool) *cobra.Command {
	return &cobra.Command{
		Use: verb + " MERCHANT ENDPOINT", Short: short, Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := ident.Parse[merchant.Endpoint](args[1])
			if err != nil {
				return &usageError{err}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			if err := d.PauseEndpoint(c.Context(), args[0], id, paused, now()); errors.Is(err, order.ErrNotFound) {
				return noEndpoint(args[0], id)
			} else if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "endpoint %s is %sd; workers see it within two seconds\n", id, verb)
			return nil
		},
	}
}

// allowsLoopback says whether endpoints may be on this machine, as a development
// server's are.
func allowsLoopback(c config.Config) bool {
	return c.Notify.AllowLoopback || app.OfDev(c)
}

func noMerchant(id string) error {
	return fmt.Errorf("there is no merchant %s: PUT /v1/merchants/%s makes one", id, id)
}

// thereIs says whether a merchant whose list is empty is there at all: its name may
// be mistyped.
func thereIs(ctx context.Context, d *db.DB, id string) error {
	_, err := d.Merchant(ctx, id)
	if errors.Is(err, order.ErrNotFound) {
		return noMerchant(id)
	}
	return err
}

func noEndpoint(merchantID string, id merchant.EndpointID) error {
	return fmt.Errorf("merchant %s has no endpoint %s: see `orderflow endpoint list`", merchantID, id)
}

// waits shows a schedule as --retry takes it.
func waits(schedule []time.Duration) string {
	if len(schedule) == 0 {
		return "usual"
	}
	texts := make([]string, len(schedule))
	for i, w := range schedule {
		texts[i] = short(w)
	}
	return strings.Join(texts, ",")
}

// short is a duration without its zeros: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
