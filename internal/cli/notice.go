package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

func newNotice() *cobra.Command {
	return group("notice", "Look at what merchants are told, and at each try of it", newNoticeList(), newNoticeShow(), newNoticeAttempts(), newNoticeResend())
}

func newNoticeShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show NOTICE", Short: "Show a notice, its body, and how it stands at each endpoint", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			r, err := d.NoticeRecord(c.Context(), args[0])
			if err != nil {
				return missingNotice(err, args[0])
			}
			endpoints, err := d.Endpoints(c.Context(), r.MerchantID)
			if err != nil {
				return err
			}
			attempts, err := d.NoticeAttempts(c.Context(), r.ID)
			if err != nil {
				return err
			}
			waits, err := d.NoticeDeliveries(c.Context(), r.ID)
			if err != nil {
				return err
			}
			view := producer.NoticeDetail(r, endpoints, attempts, waits)
			if asJSON {
				return printJSON(c.OutOrStdout(), view)
			}
			showNotice(c, view)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func showNotice(c *cobra.Command, n api.Notice) {
	out := c.OutOrStdout()
	fact := func(name, value string) {
		if value != "" && value != "-" {
			fmt.Fprintf(out, "%-12s%s\n", name, onOneLine(value))
		}
	}
	fact("notice", n.ID)
	fact("type", n.Type)
	fact("merchant", n.MerchantID)
	fact("written", at(n.CreatedAt))
	fact("state", n.State)
	fact("next try", at(n.NextTryAt))
	fact("last error", n.LastError)
	if len(n.Deliveries) > 0 {
		fmt.Fprintln(out)
		t := newTable(c, "endpoint", "url", "state", "why", "tries", "last try (utc)", "status", "last error")
		for _, d := range n.Deliveries {
			t.row(d.EndpointID, d.URL, d.State, d.Reason, strconv.Itoa(d.Attempts), at(d.LastAttemptAt), statusText(d.LastStatus), d.LastError)
		}
		t.print()
	}
	var body bytes.Buffer
	if json.Indent(&body, n.Body, "", "  ") != nil {
		body.Reset()
		body.Write(n.Body)
	}
	fmt.Fprintf(out, "\n%s\n", body.Bytes())
}

func newNoticeAttempts() *cobra.Command {
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use: "attempts NOTICE", Short: "List the tries of a notice, newest first, with what was answered", Args: exactly(1),
		Long: `List the tries of a notice, newest first. "first byte" is how long the answer took
to begin; --json has where the rest of the time went, what was sent, and what was
kept of each answer, whole.`,
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 || limit > 200 {
				return &usageError{errors.New("--limit: want 1 to 200")}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			r, err := d.NoticeRecord(c.Context(), args[0])
			if err != nil {
				return missingNotice(err, args[0])
			}
			list, err := d.AttemptLog(c.Context(), merchant.AttemptFilter{NoticeID: r.ID, Limit: limit})
			if err != nil {
				return err
			}
			if asJSON {
				views := make([]api.NoticeAttempt, len(list))
				for i, a := range list {
					views[i] = producer.AttemptView(r.ID, a)
				}
				return printJSON(c.OutOrStdout(), views)
			}
			showAttempts(c, list, limit)
			return nil
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this many, 1 to 200")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func showAttempts(c *cobra.Command, list []merchant.Attempt, limit int) {
	if len(list) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "it was not tried yet")
		return
	}
	t := newTable(c, "tried (utc)", "endpoint", "first byte", "status", "took", "remote", "verdict", "answer")
	for _, a := range list {
		t.row(append([]string{at(a.At), a.EndpointID.String(), took(a.Timing.FirstByte)}, attemptCells(a)...)...)
	}
	t.print()
	if len(list) == limit {
		fmt.Fprintf(c.ErrOrStderr(), "only the latest %d are shown: see --limit\n", limit)
	}
}

// attemptCells are status, time, remote, verdict and answer of a try.
func attemptCells(a merchant.Attempt) []string {
	const most = 60 // of an answer
	remote, verdict, answer := "", "taken", a.Answer.Body
	if a.Remote.IsValid() {
		remote = a.Remote.String()
	}
	switch {
	case a.Pulled:
		verdict = "fetched by the merchant"
	case !a.OK:
		verdict = a.Error
	}
	more := ""
	if len(answer) > most {
		answer, more = answer[:most], "…"
	}
	return []string{statusText(a.HTTPStatus), took(a.Duration), remote, verdict, string(answer) + more}
}

// statusText is an HTTP status; "-" when there was no answer.
func statusText(code int) string {
	if code == 0 {
		return "-"
	}
	return strconv.Itoa(code)
}

func took(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

func missingNotice(err error, id string) error {
	if errors.Is(err, order.ErrNotFound) {
		return fmt.Errorf("there is no notice %s in this database", id)
	}
	return err
}
