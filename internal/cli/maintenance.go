package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/tasks"
)

// month is a line of `orderflow maintenance months --json`.
type month struct {
	Name   string    `json:"name"`
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to"`
	Rows   int64     `json:"rows"`
	Bytes  int64     `json:"bytes"`
	Sealed bool      `json:"sealed"`
	GoesAt time.Time `json:"goes_at"`
}

func newMaintenance() *cobra.Command {
	var asJSON bool
	months := &cobra.Command{
		Use: "months", Short: "List the months into which the tables are divided", Args: exactly(0),
		Long: `List the months into which the tables are divided: what was made in each, how much
room it takes (rows as PostgreSQL has counted them lately), and when it is taken
out, which keep.orders says. What was taken out is in the schema archive of the database.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, d, err := openWith(c)
			if err != nil {
				return err
			}
			defer d.Close()
			list, strays, err := d.Months(c.Context())
			if err != nil {
				return err
			}
			shown := []month{}
			for _, m := range list {
				shown = append(shown, month{m.Name, m.From, m.To, m.Rows, m.Bytes, m.Sealed, m.To.Add(cfg.Keep.Orders)})
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), shown)
			}
			printMonths(c, shown)
			if strays > 0 {
				fmt.Fprintf(c.ErrOrStderr(), "about %d rows lie outside of all months: nothing is wrong with them, but they are never taken out\n", strays)
			}
			return nil
		},
	}
	months.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	run := &cobra.Command{
		Use: "run", Short: "Do now what is done every day", Args: exactly(0),
		Long: `Do now what a worker does every day: make this month and the next, take out the
months that are older than keep.orders and at rest, forget the answers to
Idempotency-Keys that are older than keep.answers, and recoveries that ended before
keep.recoveries.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, d, err := openWith(c)
			if err != nil {
				return err
			}
			defer d.Close()
			did, err := d.Maintain(c.Context(), tasks.Keep(cfg.Keep), time.Now().UTC())
			printMaintained(c, did)
			return err
		},
	}
	return group("maintenance", "Keep the tables in shape", months, run)
}

func printMonths(c *cobra.Command, list []month) {
	t := newTable(c, "month", "from (utc)", "to", "rows", "size", "taken out after")
	for _, m := range list {
		from, goes := "the beginning", m.GoesAt.Format(time.DateOnly)
		if !m.From.IsZero() {
			from = m.From.Format(time.DateOnly)
		}
		if m.Sealed {
			goes = "being taken out"
		}
		t.row(m.Name, from, m.To.Format(time.DateOnly), strconv.FormatInt(m.Rows, 10), fmt.Sprintf("%.1f MB", float64(m.Bytes)/1e6), goes)
	}
	t.print()
}

func printMaintained(c *cobra.Command, did tasks.Maintained) {
	for _, m := range did.Made {
		fmt.Fprintf(c.OutOrStdout(), "made month %s\n", m)
	}
	for _, m := range did.Taken {
		fmt.Fprintf(c.OutOrStdout(), "took out month %s: it is in the schema archive\n", m)
	}
	for _, use := range did.InUse {
		fmt.Fprintln(c.OutOrStdout(), use)
	}
	fmt.Fprintf(c.OutOrStdout(), "forgot %d answers to Idempotency-Keys\n", did.Answers)
	fmt.Fprintf(c.OutOrStdout(), "forgot %d recoveries\n", did.Recoveries)
}
