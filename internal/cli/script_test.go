package cli

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/orderflow/orderflow/db/dbtest"
)

// TestScripts runs testdata/script: what people type, and what they are told.
// Besides testscript's own commands there are
//
//	database          a clean migrated database in DATABASE_URL
//	exits CODE ARG…   run orderflow and expect this very exit code
//	given WHAT        an order of 1000 CNY that WHAT happened to: see given_test.go
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireUniqueNames: true, UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Values["test"] = env.T()
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"database": setDatabase, "exits": exits, "given": given},
	})
}

func setDatabase(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("DATABASE_URL", dbtest.URL(ts.Value("test").(testing.TB)))
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var ended *exec.ExitError
	switch err := ts.Exec("orderflow", args[1:]...); {
	case errors.As(err, &ended):
		code = ended.ExitCode()
	default:
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("orderflow exits with %d, want %d", code, want)
	}
}
