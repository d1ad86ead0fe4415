package cli

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/app"
	"github.com/orderflow/orderflow/order"
)

// hand is whose hand steps in, and why: both are on the order's timeline.
type hand struct{ by, why string }

// flags are --by and --why; without a usual reason, one must be given.
func (h *hand) flags(c *cobra.Command, usual string) {
	c.Flags().StringVar(&h.by, "by", "", "who you are, for the timeline (default: the name of your account)")
	c.Flags().StringVar(&h.why, "why", usual, "why, for the timeline")
}

// actor is who steps in, as the timeline has it.
func (h *hand) actor() (order.Actor, error) {
	if err := oneLine("--why", h.why); err != nil {
		return "", err
	}
	return operator(h.by)
}

// operator is who steps in by --by: whoever runs us, when it is left out.
func operator(by string) (order.Actor, error) {
	if by == "" {
		by = account()
	}
	if !order.IsName(by) {
		return "", errors.New("--by: want a name, such as alice")
	}
	return order.Actor("operator:" + by), nil
}

// account is the name under which we run. A container may know none.
func account() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if name := os.Getenv("USER"); name != "" {
		return name
	}
	return "somebody"
}

// oneLine refuses what would do more on a terminal than be read.
func oneLine(name, text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%s is missing: it is kept with the order", name)
	case strings.ContainsFunc(text, unicode.IsControl) || strings.ToValidUTF8(text, "") != text:
		return fmt.Errorf("%s: want one line of text", name)
	}
	return nil
}

// change takes a step of an order, with all that follows from it, and returns
// the order as it then stands. What is due at once is picked up by the next
// look of a relay. done says that it had been taken before.
func (h *hand) change(c *cobra.Command, id order.ID, take func(o *order.Order, by order.Actor, now time.Time) error) (o *order.Order, done bool, err error) {
	by, err := h.actor()
	if err != nil {
		return nil, false, &usageError{err}
	}
	cfg, d, err := openWith(c)
	if err != nil {
		return nil, false, err
	}
	defer d.Close()
	store := db.NewStore(d, db.StoreOptions{Log: zap.NewNop(), Terms: app.Terms(cfg.Terms)})
	defer store.Close()
	err = store.Update(c.Context(), id, nil, func(locked *order.Order) error {
		o = locked
		return take(o, by, now())
	})
	switch {
	case errors.Is(err, order.ErrAlready):
		return o, true, nil
	case errors.Is(err, order.ErrNotFound):
		return nil, false, fmt.Errorf("there is no order %s in this database", id)
	}
	return o, false, err
}

// tell says where something stands now.
func tell(c *cobra.Command, done bool, what string) {
	if done {
		what = "nothing to do: " + what + " already"
	}
	fmt.Fprintln(c.OutOrStdout(), what)
}

// now is the time as the database can keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
