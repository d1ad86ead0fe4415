package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/seal"
)

func newSecrets() *cobra.Command {
	return group("secrets", "Make and replace the keys that encrypt merchants' secrets", newSecretsGenerate(), newSecretsStatus(), newSecretsReseal())
}

func newSecretsGenerate() *cobra.Command {
	return &cobra.Command{
		Use:   "generate [ID]",
		Short: "Make a key; it is shown once and kept nowhere",
		Long: `Make a key for ORDERFLOW_SECRETS_KEYS and print it as id:base64. ID names it, in
lower-case letters, digits, _ and -; left out, it is named after the day. Keep the
key where backups of the database are not: without it no sealed secret opens.

To replace a key: put the new one behind the others in every process, then before
them; run "orderflow secrets reseal"; when "orderflow secrets status" shows nothing
of the old one, remove it.`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			id := now().Format("20060102-150405")
			if len(args) > 0 {
				id = args[0]
			}
			if !seal.IsKeyID(id) {
				return &usageError{fmt.Errorf("ID: want 1 to 32 lower-case letters, digits, _ and -")}
			}
			fmt.Fprintln(c.OutOrStdout(), seal.NewKey(id).Line())
			fmt.Fprintln(c.ErrOrStderr(), "Keep it now: it is not shown again. Set it as ORDERFLOW_SECRETS_KEYS, with a comma between it and those that are there.")
			return nil
		},
	}
}

func atMostOne(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return exactly(1)(c, args)
	}
	return nil
}

// secretLine is a line of `orderflow secrets status --json`.
type secretLine struct {
	db.SecretCount
	Set   bool `json:"set"`   // the key is in the settings
	Seals bool `json:"seals"` // it is the first
}

func newSecretsStatus() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "status", Short: "Count the secrets by the key that sealed them", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, d, err := openWith(c)
			if err != nil {
				return err
			}
			defer d.Close()
			counts, err := d.SecretCounts(c.Context())
			if err != nil {
				return err
			}
			return showSecrets(c, secretLines(counts, cfg.Secrets.Keys), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// secretLines are the keys that are set, in their order, and behind them what
// was sealed with none of them.
func secretLines(counts []db.SecretCount, keys []seal.Key) []secretLine {
	lines := []secretLine{}
	line := map[string]int{}
	for i, k := range keys {
		line[k.ID] = i
		lines = append(lines, secretLine{db.SecretCount{Key: k.ID}, true, i == 0})
	}
	for _, n := range counts {
		if i, set := line[n.Key]; set {
			lines[i].SecretCount = n
		} else {
			lines = append(lines, secretLine{SecretCount: n})
		}
	}
	return lines
}

func showSecrets(c *cobra.Command, lines []secretLine, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), lines)
	}
	if len(lines) == 0 {
		fmt.Fprintln(c.OutOrStdout(), "no key is set, and there is no secret")
		return nil
	}
	t := newTable(c, "key", "secrets", "endpoints", "")
	for _, l := range lines {
		t.row(l.name(), fmt.Sprint(l.Secrets), fmt.Sprint(l.Endpoints), l.note())
	}
	t.print()
	return nil
}

func (l secretLine) name() string {
	if l.Key == "" {
		return "(plain)"
	}
	return l.Key
}

func (l secretLine) note() string {
	switch {
	case l.Seals:
		return "seals"
	case l.Key == "":
		return "from a release before: orderflow secrets reseal"
	case !l.Set:
		return "not set: what it sealed does not open"
	case l.Secrets == 0:
		return "opens; can be removed"
	}
	return "opens; before it is removed: orderflow secrets reseal"
}

func newSecretsReseal() *cobra.Command {
	return &cobra.Command{
		Use:   "reseal",
		Short: "Encrypt all secrets anew, with the first key",
		Long: `Encrypt with the first key of ORDERFLOW_SECRETS_KEYS whatever is not: secrets that
another key sealed, and those that are plain from a release before. Every running
process must know that key already. Services go on meanwhile; it may be broken off
and run again, and does then what is left.`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := openDB(c)
			if err != nil {
				return err
			}
			defer d.Close()
			tell := progress(c.ErrOrStderr(), "endpoints", time.Now)
			r, err := d.Reseal(c.Context(), now(), tell)
			if err != nil {
				return fmt.Errorf("%w; %d endpoints are done: run it again for the rest", err, r.Endpoints)
			}
			return showReseal(c, r)
		},
	}
}

func showReseal(c *cobra.Command, r db.ResealReport) error {
	fmt.Fprintf(c.OutOrStdout(), "%d endpoints sealed anew with %s\n", r.Endpoints, r.Key)
	for _, err := range r.Failed {
		fmt.Fprintf(c.ErrOrStderr(), "!! %v\n", err)
	}
	if len(r.Failed) > 0 {
		return fmt.Errorf("the secrets of %d endpoints do not open and stay as they are", len(r.Failed))
	}
	fmt.Fprintln(c.OutOrStdout(), "Look at `orderflow secrets status`, then remove the keys that sealed nothing.")
	return nil
}
