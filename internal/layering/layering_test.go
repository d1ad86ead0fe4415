package layering

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestImportsOnlyPointDown(t *testing.T) {
	t.Parallel()
	faults, files, err := house().check(os.DirFS("../.."))
	require.NoError(t, err)
	require.Greater(t, files, 50, "the sources were not found")
	for _, f := range faults {
		t.Error(f)
	}
}

func TestTheTableItselfPointsDown(t *testing.T) {
	t.Parallel()
	l, seen := house(), map[string]bool{}
	for floor, rooms := range l.floors {
		for _, r := range rooms {
			require.False(t, seen[r.folder], "%s is in the table twice", r.folder)
			seen[r.folder] = true
			for _, to := range strings.Fields(r.imports) {
				below, ok := l.find(to)
				require.True(t, ok, "%s may import %s, which is not in the table", r.folder, to)
				require.Less(t, below, floor, "%s may import %s, which is not below it", r.folder, to)
			}
		}
	}
	for _, pair := range [][2]string{
		{"producer", "workers"}, {"workers", "producer"}, {"producer", "db"}, {"workers", "db"}, {"db", "producer"},
	} {
		require.NotContains(t, strings.Fields(l.may(pair[0])), pair[1])
	}
}

func TestNoCodeMayImportWhatIsForTests(t *testing.T) {
	t.Parallel()
	for _, r := range slices.Concat(house().floors...) {
		for _, f := range []string{"db/dbtest", "payment/paymenttest"} {
			require.NotContains(t, strings.Fields(r.imports), f, r.folder)
		}
		if !slices.Contains([]string{"db/dbtest", "internal/app", "internal/bench", "internal/cli"}, r.folder) {
			require.NotContains(t, strings.Fields(r.imports), "internal/embedded", r.folder)
		}
	}
}

// The check must bite: each of these files is one import away from the law.
func TestForbiddenImportsAreFound(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ file, imports, want string }{
		{"order/x.go", "ours/internal/ident", ""},
		{"order/x.go", "time", ""},
		{"order/x.go", "ours/ledger", "order may import only [internal/ident]"},
		{"order/x.go", "net/http", "order is pure"},
		{"order/x_test.go", "net/http", ""},
		{"order/x_test.go", "ours/order", ""},
		{"order/x_test.go", "ours/db", "lower floor"},
		{"workers/x.go", "ours/db", "workers may import only"},
		{"workers/x.go", "ours/producer", "workers may import only"},
		{"workers/x_test.go", "ours/db", ""},
		{"workers/x_test.go", "ours/db/dbtest", ""},
		{"workers/x_test.go", "ours/producer", "lower floor"},
		{"producer/x.go", "ours/workers", "producer may import only"},
		{"producer/x.go", "ours/internal/embedded", "producer may import only"},
		{"producer/relay/x_test.go", "ours/internal/embedded", ""},
		{"internal/app/x.go", "ours/workers", ""},
		{"internal/app/x.go", "ours/db/dbtest", "internal/app may import only"},
		{"internal/app/x_test.go", "ours/db/dbtest", ""},
		{"internal/app/x_test.go", "ours/internal/cli", "lower floor"},
		{"main.go", "ours/internal/cli", ""},
		{"main.go", "ours/db", ". may import only [internal/cli]"},
		{"workers/x.go", "github.com/uptrace/bun/dialect/pgdialect", "only code of [db db/dbtest]"},
		{"workers/x.go", "github.com/hibiken/asynqmon", "only code of [monitor]"},
		{"workers/x.go", "github.com/hibiken/asynq", ""},
		{"workers/x.go", "github.com/stretchr/testify/require", "only code of"},
		{"workers/x_test.go", "github.com/stretchr/testify/require", ""},
		{"util/x.go", "time", `folder "util" is not in the table`},
		{"order/sub/x_test.go", "time", `folder "order/sub" is not in the table`},
		{"order/x.go", "ours/util", "there is no such folder"},
		{"order/testdata/x.go", "ours/db", ""},
		{".cache/x.go", "ours/db", ""},
		{"internal/bench/x.go", "ours/internal/app", "internal/bench may import only"},
	} {
		t.Run(tc.file+" imports "+tc.imports, func(t *testing.T) {
			t.Parallel()
			imports := strings.Replace(tc.imports, "ours/", module+"/", 1)
			tree := fstest.MapFS{tc.file: {Data: fmt.Appendf(nil, "//go:build never\n\npackage x\n\nimport _ %q\n", imports)}}
			faults, _, err := house().check(tree)
			require.NoError(t, err)
			if tc.want == "" {
				require.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			require.Contains(t, faults[0], tc.want)
			require.True(t, strings.HasPrefix(faults[0], tc.file))
		})
	}
}
