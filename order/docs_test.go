package order_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
)

// The page that draws the machines says neither more nor less than the code.
func TestTheStateMachinesAreDrawnAsTheyAre(t *testing.T) {
	t.Parallel()
	on := map[change]string{}
	for _, tr := range order.Transitions() {
		on[change{tr.Row, string(tr.From), string(tr.To)}] = tr.On
	}
	for _, tc := range []struct {
		heading string
		want    []change
	}{
		{"Order", changesOf(order.Transitions())},
		{"Payment attempt", changesOf(order.AttemptTransitions())},
		{"Refund", changesOf(order.RefundTransitions())},
		{"Delivery", changesOf(order.DeliveryTransitions())},
	} {
		t.Run(tc.heading, func(t *testing.T) {
			t.Parallel()
			text := section(t, tc.heading)
			var drawn, listed []change
			for _, m := range arrow.FindAllStringSubmatch(text, -1) {
				if m[2] != "[*]" {
					drawn = append(drawn, change{m[3], strings.TrimPrefix(m[1], "[*]"), m[2]})
				}
			}
			for _, m := range line.FindAllStringSubmatch(text, -1) {
				c := change{m[1], strings.Trim(m[2], "–"), m[3]}
				listed = append(listed, c)
				if tc.heading == "Order" {
					require.Equal(t, on[c], m[4], "%s, what it is taken on", c.row)
				}
			}
			require.ElementsMatch(t, tc.want, drawn, "the diagram")
			require.ElementsMatch(t, tc.want, listed, "the table")
		})
	}
}

var (
	arrow = regexp.MustCompile(`(?m)^\s+(\S+) --> (\S+?)(?:: ([A-Z]\d+).*)?$`)
	line  = regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \| (\S+) \| (\S+) \| ([^|]*?) \|`)
)

// section is what stands under a heading, up to the next of its rank.
func section(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/state-machine.md")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(page), "\n## "+heading+"\n")
	require.True(t, found, "no heading %q", heading)
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}
