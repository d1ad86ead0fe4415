package embedded

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestChildEndsWhenAsked(t *testing.T) {
	t.Parallel()
	c, err := Start(exec.CommandContext(t.Context(), "sleep", "600"), syscall.SIGKILL)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(c.PID(), 0), "it runs")
	c.Stop(20 * time.Second)
	c.Stop(20 * time.Second)
	<-c.Done()
	require.ErrorContains(t, c.Err(), "terminated")
}

func TestChildThatDoesNotListenIsKilled(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "trap '' TERM; echo deaf; sleep 600")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	c, err := Start(cmd, syscall.SIGKILL)
	require.NoError(t, err)
	_, err = out.Read(make([]byte, 1)) // it is deaf from here on
	require.NoError(t, err)
	c.Stop(50 * time.Millisecond)
	require.ErrorContains(t, c.Err(), "killed")
}

func TestChildThatCannotStart(t *testing.T) {
	t.Parallel()
	_, err := Start(exec.CommandContext(t.Context(), "/nowhere"), syscall.SIGKILL)
	require.Error(t, err)
}
