package embedded

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClaimClosesTheDirectoryToOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "of", "its", "own")
	h, err := claim(t.Context(), dir, "postgres")
	require.NoError(t, err)
	defer h.release()
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// A process that is being started has our files open until it runs its own program.
func TestADirectoryIsGivenBackAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h, err := claim(t.Context(), dir, "postgres")
	require.NoError(t, err)
	forked, err := syscall.Dup(int(h.lock.Fd()))
	require.NoError(t, err)
	defer syscall.Close(forked)
	h.release()
	h, err = claim(t.Context(), dir, "postgres")
	require.NoError(t, err)
	h.release()
}

func TestSweepRemovesOnlyWhatTheDeadLeft(t *testing.T) {
	t.Parallel()
	// A server name of its own keeps this test away from others' directories.
	leave := func(age time.Duration) (string, *os.File) {
		dir, err := os.MkdirTemp("", prefix("sweeptest"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		held, err := lock(filepath.Join(dir, "lock"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = held.Close() })
		then := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(filepath.Join(dir, "lock"), then, then))
		return dir, held
	}
	dead, deadLock := leave(time.Hour)
	alive, _ := leave(time.Hour)
	young, youngLock := leave(time.Second)
	unlock(deadLock)
	unlock(youngLock)

	sweep(t.Context(), "sweeptest")
	require.NoDirExists(t, dead)
	require.DirExists(t, alive)
	require.DirExists(t, young)
}

func TestLogTailIsShort(t *testing.T) {
	t.Parallel()
	h, err := claim(t.Context(), t.TempDir(), "postgres")
	require.NoError(t, err)
	defer h.release()
	require.Empty(t, h.tail("postgres"))
	text := append(make([]byte, 10_000), []byte("the end\n")...)
	require.NoError(t, os.WriteFile(h.path("postgres.log"), text, 0o600))
	require.Less(t, len(h.tail("postgres")), 2001)
	require.Contains(t, h.tail("postgres"), "the end")
}
