package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

// noticeList is what `orderflow notice list` was asked for.
type noticeList struct {
	since, until, eventType, state, order, endpoint string

	limit  int
	asJSON bool
}

func newNoticeList() *cobra.Command {
	var l noticeList
	c := &cobra.Command{
		Use: "list MERCHANT", Short: "List what a merchant is told, newest first", Args: exactly(1),
		Long: `List what a merchant is told, newest first. --since and --until are times such as
2026-03-02T09:30:00Z, or how long ago: 24h. With --endpoint, those that were tried
there, wait for it or are yet to be told to it, and --state says whether that one has
taken them.`,
		RunE: func(c *cobra.Command, args []string) error {
			f, err := l.filter(args[0], now())
			if err != nil {
				return &usageError{err}
			}
			return l.run(c, f)
		},
	}
	c.Flags().StringVar(&l.since, "since", "", "written then or later")
	c.Flags().StringVar(&l.until, "until", "", "written before")
	c.Flags().StringVar(&l.eventType, "type", "", "of this type, such as order.paid")
	c.Flags().StringVar(&l.state, "state", "", "undelivered or delivered")
	c.Flags().StringVar(&l.order, "order", "", "about this order")
	c.Flags().StringVar(&l.endpoint, "endpoint", "", "tried at this endpoint, waiting for it, or yet to be told to it")
	c.Flags().IntVar(&l.limit, "limit", 50, "at most this many, 1 to 200")
	c.Flags().BoolVar(&l.asJSON, "json", false, "print JSON")
	return c
}

func (l *noticeList) filter(merchantID string, now time.Time) (f merchant.NoticeFilter, err error) {
	f = merchant.NoticeFilter{
		MerchantID: merchantID, Type: l.eventType, Undelivered: l.state == "undelivered", Delivered: l.state == "delivered", Limit: l.limit,
	}
	if l.state != "" && !f.Undelivered && !f.Delivered {
		return f, fmt.Errorf("--state %q: want undelivered or delivered", l.state)
	}
	if l.limit < 1 || l.limit > 200 {
		return f, errors.New("--limit: want 1 to 200")
	}
	if f.Since, err = moment("--since", l.since, now); err != nil {
		return f, err
	}
	if f.Until, err = moment("--until", l.until, now); err != nil {
		return f, err
	}
	if l.order != "" {
		if f.Order, err = ident.Parse[order.Order](l.order); err != nil {
			return f, fmt.Errorf("--order: %w", err)
		}
		f.Order = order.Family(f.Order)
	}
	if l.endpoint != "" {
		if f.Endpoint, err = ident.Parse[merchant.Endpoint](l.endpoint); err != nil {
			return f, fmt.Errorf("--endpoint: %w", err)
		}
	}
	return f, nil
}

// moment reads a time, or how long ago it was; "" is the zero time.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%s %q: want a time such as 2026-03-02T09:30:00Z, or how long ago: 24h", flag, text)
	}
	return t, nil
}

func (l *noticeList) run(c *cobra.Command, f merchant.NoticeFilter) error {
	d, err := openDB(c)
	if err != nil {
		return err
	}
	defer d.Close()
	list, err := d.NoticeRecords(c.Context(), f)
	if err == nil && len(list) == 0 {
		err = thereIs(c.Context(), d, f.MerchantID)
	}
	if err != nil {
		return err
	}
	if l.asJSON {
		views := make([]api.Notice, len(list))
		for i, r := range list {
			views[i] = producer.NoticeView(r)
		}
		return printJSON(c.OutOrStdout(), views)
	}
	if len(list) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "there is no such notice")
		return nil
	}
	t := newTable(c, "notice", "written (utc)", "type", "state", "next try (utc)", "last error")
	for _, r := range list {
		t.row(r.ID, at(r.CreatedAt), r.Type, string(r.State), at(r.NextTryAt), r.LastError)
	}
	t.print()
	if len(list) == l.limit {
		fmt.Fprintf(c.ErrOrStderr(), "only the newest %d are shown: see --limit\n", l.limit)
	}
	return nil
}
