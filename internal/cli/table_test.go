package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What strangers wrote is read on a terminal, and does nothing else there.
func TestOnOneLine(t *testing.T) {
	t.Parallel()
	for wrote, shown := range map[string]string{
		"sold out, 售完 é":               "sold out, 售完 é",
		"a\nb\tc\x1b[2Jd\u009b2Je\x7f": "a b c [2Jd 2Je ",
		"\u202efo\u2066ot\u200b":       " fo ot ",
		"a\u2028b\u00a0c":              "a b c",
	} {
		require.Equal(t, shown, onOneLine(wrote))
	}
}
