package embedded

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAsNobody(t *testing.T) {
	t.Parallel()
	again(t, overflow, "^Test(PostgreSQLStartsAndEndsWithoutATrace|PostgreSQLKeepsItsData|PostgreSQLIsDownloadedOnce|Redis.*)$")
}

// A container often runs under a number that its passwd file does not know.
func TestAsAnIDWithoutAName(t *testing.T) {
	t.Parallel()
	requireNamespaces(t)
	again(t, 54321, "^TestPostgreSQLStartsAndEndsWithoutATrace$")
}

// overflow is nobody's id.
const overflow = 65534

func requireNamespaces(t *testing.T) {
	t.Helper()
	for _, a := range namespaced() {
		if _, err := output(t.Context(), a.command(9, "/", "true")); err == nil {
			return
		}
	}
	t.Skip("this machine allows no user namespaces")
}

func TestRootRunsPostgreSQLAsSomebodyElse(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root has to")
	}
	closed := func(t *testing.T) string { return filepath.Join(t.TempDir(), "postgres") } // TempDir is root's, 0700

	t.Run("in a directory of root's, in a namespace", func(t *testing.T) {
		t.Parallel()
		requireNamespaces(t)
		s := startPostgres(t, Options{Dir: closed(t)})
		require.Contains(t, s.What, "of a namespace")
	})
	t.Run("in a directory of root's, where namespaces are forbidden", func(t *testing.T) {
		t.Parallel()
		dir := closed(t)
		nobody := lookup("nobody")
		require.NotEmpty(t, nobody)
		runners := func() []account { return append(nobody, passing(nobody[0])...) }
		s := startPostgres(t, Options{Dir: dir, runners: runners})
		require.Contains(t, s.What, "run as nobody")
		s.Stop()
		s = startPostgres(t, Options{Dir: dir}) // the owner again, by the files alone
		require.Contains(t, s.What, "run as nobody")
	})
	t.Run("nowhere, said clearly", func(t *testing.T) {
		t.Parallel()
		runners := func() []account { return lookup("nobody") }
		_, err := PostgreSQL(t.Context(), Options{Dir: closed(t), runners: runners})
		require.ErrorContains(t, err, "as nobody")
		require.ErrorContains(t, err, "permission denied")
		require.ErrorContains(t, err, "run as another user")
	})
}
