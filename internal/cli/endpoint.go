package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

func newEndpoint() *cobra.Command {
	return group("endpoint", "Make merchants' endpoints, look at them, test, pause and recover them, and give them new secrets",
		newEndpointList(), newEndpointCreate(), newEndpointTest(), newEndpointPause(), newEndpointResume(), newEndpointRecover(), newEndpointRotate())
}

func newEndpointList() *cobra.Command {
	return &cobra.Command{
		Use: "list MERCHANT", Short: "List a merchant's endpoints, without their secrets", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			list, err := d.Endpoints(c.Context(), args[0])
			if err == nil && len(list) == 0 {
				err = thereIs(c.Context(), d, args[0])
			}
			if err != nil {
				return err
			}
			t := newTable(c, "endpoint", "url", "events", "signature", "verifies", "paused", "state", "ack", "retries after", "created (utc)", "last error")
			for _, e := range list {
				t.row(e.ID.String(), e.URL, cmp.Or(strings.Join(e.Events, ","), "all"), string(e.Scheme()), string(e.Verifies), fmt.Sprint(e.Paused), string(cmp.Or(e.Health.State, merchant.Healthy)),
					string(e.Ack), waits(e.Schedule), at(e.CreatedAt), e.Health.LastError)
			}
			t.print()
			return nil
		},
	}
}

// rotate is what `orderflow endpoint rotate` was asked for.
type rotate struct {
	signature string
	overlap   time.Duration
	given     bool
}

func newEndpointRotate() *cobra.Command {
	r := rotate{overlap: merchant.DefaultOverlap}
	c := &cobra.Command{
		Use:   "rotate MERCHANT ENDPOINT",
		Short: "Give an endpoint a new secret; it is shown once",
		Long: `Give an endpoint a new secret, and print it; of a key pair (--signature v1a), the
public key. The secrets before it go on signing for --overlap, so that the
merchant can change over; with 0 they stop at once. Three sign at most. With
--given the new secret is read from standard input.`,
		Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := ident.Parse[merchant.Endpoint](args[1])
			if err != nil {
				return &usageError{err}
			}
			return r.run(c, args[0], id)
		},
	}
	c.Flags().StringVar(&r.signature, "signature", "", "v1 or v1a (default: as the one before)")
	c.Flags().DurationVar(&r.overlap, "overlap", r.overlap, "how long the secrets before it go on signing, 0 to 168h")
	c.Flags().BoolVar(&r.given, "given", false, "read the new secret from standard input")
	return c
}

func (r *rotate) run(c *cobra.Command, merchantID string, id merchant.EndpointID) error {
	if !slices.Contains([]string{"", string(merchant.V1), string(merchant.V1A)}, r.signature) {
		return &usageError{errors.New("--signature: want v1 or v1a")}
	}
	d, err := openDB(c)
	if err != nil {
		return err
	}
	defer d.Close()
	list, err := d.Endpoints(c.Context(), merchantID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(e merchant.Endpoint) bool { return e.ID == id })
	if i < 0 {
		return noEndpoint(merchantID, id)
	}
	rotation, err := r.rotation(c.InOrStdin(), list[i].Scheme())
	if err != nil {
		return &usageError{err}
	}
	if err := d.RotateEndpoint(c.Context(), merchantID, id, rotation); err != nil {
		if errors.Is(err, order.ErrNotFound) {
			return fmt.Errorf("endpoint %s was deleted just now", id)
		}
		return err
	}
	showRotation(c, rotation)
	return nil
}

func (r *rotate) rotation(in io.Reader, before merchant.Scheme) (rotation merchant.Rotation, err error) {
	scheme := cmp.Or(merchant.Scheme(r.signature), before)
	rotation = merchant.Rotation{Secret: merchant.NewSecretFor(scheme), Overlap: r.overlap, At: now()}
	if r.given {
		line, err := bufio.NewReader(io.LimitReader(in, 4<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return rotation, fmt.Errorf("read the secret: %w", err)
		}
		rotation.Secret = strings.TrimSpace(line)
	}
	if err := rotation.Check(); err != nil {
		return rotation, err
	}
	if r.signature != "" && merchant.SchemeOf(rotation.Secret) != scheme {
		return rotation, fmt.Errorf("--signature: the secret that was given does not sign %s", scheme)
	}
	return rotation, nil
}

func showRotation(c *cobra.Command, r merchant.Rotation) {
	fmt.Fprintln(c.OutOrStdout(), cmp.Or(merchant.PublicKey(r.Secret), r.Secret))
	fmt.Fprintln(c.ErrOrStderr(), "Hand it to the merchant now: it is not shown again.")
	if r.Overlap > 0 {
		fmt.Fprintf(c.ErrOrStderr(), "The secrets before it go on signing until %s UTC at the longest.\n", at(r.At.Add(r.Overlap)))
		return
	}
	fmt.Fprintln(c.ErrOrStderr(), "The secrets before it sign nothing any more.")
}
