package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/embedded"
)

// A process of the crew that ends by itself is missed, and said to have.
func TestAColleagueThatLeaves(t *testing.T) {
	t.Parallel()
	hired := func(command string, args ...string) *colleague {
		child, err := embedded.Start(exec.CommandContext(t.Context(), command, args...), syscall.SIGKILL)
		require.NoError(t, err)
		t.Cleanup(func() { child.Stop(time.Second) })
		dir := t.TempDir()
		return &colleague{service: &service{child: child, dir: dir, log: logIn(t, dir)}, addr: command}
	}
	r := &run{crew: []member{{name: "api"}, {name: "worker 1"}}, site: site{addr: "first"}, others: []*colleague{hired("sleep", "600")}}
	require.Equal(t, "api", r.title())
	require.Equal(t, []string{"first", "sleep"}, r.addrs())
	require.False(t, r.deserted())
	require.NoError(t, r.stopOthers())

	left := hired("false")
	<-left.child.Done()
	r.others = []*colleague{left}
	require.True(t, r.deserted())
	require.ErrorContains(t, r.stopOthers(), "ended by itself")
	require.Equal(t, "app", (&run{}).title())
}

func logIn(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	return f
}
