package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestWhoMeasuresStandsBackForAWhile(t *testing.T) { // not beside others, which measure
	policy := func() uint32 {
		is, err := unix.SchedGetAttr(unix.Getpid(), 0)
		require.NoError(t, err)
		return is.Policy
	}
	require.EqualValues(t, unix.SCHED_NORMAL, policy())
	forward := standBack()
	require.EqualValues(t, unix.SCHED_BATCH, policy())
	forward()
	require.EqualValues(t, unix.SCHED_NORMAL, policy())
}
