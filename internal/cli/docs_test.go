package cli

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// Who reads the documentation types what it says.
func TestTheDocumentedCommandsAreThere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	pages = append(pages, "../../README.md", "../../CHANGELOG.md")
	command := regexp.MustCompile("(?m)(?:^|`)orderflow ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)((?: [^`#\n|]*)?)")
	flag := regexp.MustCompile(`--([a-z][a-z-]*)`)
	seen := map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, found := range command.FindAllStringSubmatch(string(text), -1) {
			root := newRoot(Streams{Out: io.Discard, Err: io.Discard})
			c, rest, err := root.Find(regexp.MustCompile(` `).Split(found[1], -1))
			require.NoError(t, err, "%s: %s", page, found[0])
			require.False(t, c.HasSubCommands() && len(rest) > 0, "%s: %s: there is no %v", page, found[0], rest)
			seen[c.CommandPath()] = true
			for _, f := range flag.FindAllStringSubmatch(found[2], -1) {
				has := func(set *pflag.FlagSet) bool { return set.Lookup(f[1]) != nil }
				require.True(t, has(c.Flags()) || has(c.InheritedFlags()), "%s: %s: %s has no flag --%s", page, found[0], c.CommandPath(), f[1])
			}
		}
	}
	for _, step := range []string{"order held", "order accept-payment", "order return-payment", "order resolve", "refund retry", "refund paid-out"} {
		require.True(t, seen["orderflow "+step], "%s is documented", step)
	}
}
