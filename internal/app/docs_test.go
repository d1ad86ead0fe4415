package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/tasks"
)

// Every test that the page names is there.
func TestEveryRaceHasItsTest(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/state-machine.md")
	require.NoError(t, err)
	_, races, found := strings.Cut(string(page), "\n## Races\n")
	require.True(t, found)
	rows := regexp.MustCompile("(?m)^\\| [^|]+ \\| [^|]+ \\| (`Test.*) \\|$").FindAllStringSubmatch(races, -1)
	require.Len(t, rows, 15)
	tests := declared(t)
	for _, row := range rows {
		for name := range strings.SplitSeq(row[1], ", ") {
			require.Contains(t, tests, strings.Trim(name, "`"))
		}
	}
}

// declared are the tests of the whole house.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, pattern := range []string{"../../*/*_test.go", "../../*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, f := range files {
			source, err := os.ReadFile(f)
			require.NoError(t, err)
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
				names[m[1]] = true
			}
		}
	}
	return names
}

// Every alert that can ring is in the runbook.
func TestEveryAlertIsInTheRunbook(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	for _, name := range tasks.AlertNames() {
		require.Contains(t, string(page), "\n| `"+string(name)+"` | ")
	}
}
