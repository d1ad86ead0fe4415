package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func newTask() *cobra.Command {
	return group("task", "Look at the work that is owed, and try it again", newTaskList(), newTaskRequeue())
}

func newTaskList() *cobra.Command {
	var state, kind string
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the work that is owed: waiting, overdue or dead", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			f := tasks.Filter{State: tasks.State(state), Kind: tasks.Kind(kind), Limit: limit}
			if err := checkFilter(f); err != nil {
				return &usageError{err}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			rows, err := d.Tasks(c.Context(), f)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), rows)
			}
			if len(rows) == 0 {
				fmt.Fprintf(c.OutOrStdout(), "no task is %s\n", state)
				return nil
			}
			t := newTable(c, "kind", "subject", "due (utc)", "tries", "last error")
			for _, r := range rows {
				t.row(string(r.Kind), r.Subject.String(), at(r.DueAt), fmt.Sprint(r.Attempts), r.LastError)
			}
			t.print()
			if len(rows) == limit {
				fmt.Fprintf(c.ErrOrStderr(), "only the first %d are shown: see --limit\n", limit)
			}
			return nil
		},
	}
	c.Flags().StringVar(&state, "state", string(tasks.Waiting), "waiting, overdue or dead")
	c.Flags().StringVar(&kind, "kind", "", "only this kind: "+strings.Join(kindNames(), ", "))
	c.Flags().IntVar(&limit, "limit", 50, "at most this many, 1 to 200")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newTaskRequeue() *cobra.Command {
	var all bool
	var who hand
	c := &cobra.Command{
		Use:   "requeue KIND SUBJECT",
		Short: "Try a task again now, whatever it came to before",
		Long: `Try a task again now. KIND and SUBJECT are as "orderflow task list" shows them.
With --all-dead, every dead task of KIND. Who it was, and why, is on the order's
timeline.`,
		Args: func(c *cobra.Command, args []string) error {
			if all {
				return exactly(1)(c, args)
			}
			return exactly(2)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			kind := tasks.Kind(args[0])
			if err := checkKind(kind); err != nil {
				return &usageError{err}
			}
			by, err := who.actor()
			if err != nil {
				return &usageError{err}
			}
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			requeue := func(k tasks.Key) error {
				if err := d.Requeue(c.Context(), k, by, who.why, now()); err != nil {
					if errors.Is(err, order.ErrNotFound) {
						return fmt.Errorf("no task %s is owed: it was done, or never was", k)
					}
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "%s is due now; the relay hands it over within a second\n", k)
				return nil
			}
			if !all {
				subject, err := tasks.SubjectOf(args[1])
				if err != nil {
					return &usageError{err}
				}
				return requeue(tasks.Key{Kind: kind, Subject: subject})
			}
			return requeueDead(c, d, kind, requeue)
		},
	}
	c.Flags().BoolVar(&all, "all-dead", false, "every dead task of KIND")
	who.flags(c, "by hand")
	return c
}

// requeueDead requeues what is dead now; what dies again meanwhile stays dead.
func requeueDead(c *cobra.Command, d *db.DB, kind tasks.Kind, requeue func(tasks.Key) error) error {
	began, last := time.Now(), tasks.Place{}
	for n := 0; ; {
		rows, err := d.Tasks(c.Context(), tasks.Filter{State: tasks.Dead, Kind: kind, After: last, Limit: 200})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.DeadAt.After(began) {
				return nil
			}
			if err := requeue(r.Key); err != nil {
				return err
			}
			last = tasks.PlaceOf(r)
			n++
		}
		if len(rows) < 200 {
			if n == 0 {
				fmt.Fprintf(c.OutOrStdout(), "no %s is dead\n", kind)
			}
			return nil
		}
	}
}

func checkFilter(f tasks.Filter) error {
	if !slices.Contains(tasks.States(), f.State) {
		return fmt.Errorf("--state %q: want waiting, overdue or dead", f.State)
	}
	if f.Limit < 1 || f.Limit > 200 {
		return errors.New("--limit: want 1 to 200")
	}
	if f.Kind == "" {
		return nil
	}
	return checkKind(f.Kind)
}

func checkKind(k tasks.Kind) error {
	if _, err := tasks.SpecOf(k); err != nil {
		return fmt.Errorf("%w: there is %s", err, strings.Join(kindNames(), ", "))
	}
	return nil
}

func kindNames() []string {
	var names []string
	for _, s := range tasks.Specs() {
		names = append(names, string(s.Kind))
	}
	return names
}
