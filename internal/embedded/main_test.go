package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childVariable makes this test binary a process that starts the servers named
// in it and waits for its end, which a test then brings about.
const childVariable = "ORDERFLOW_EMBEDDED_CHILD"

type order struct {
	Server string // "postgres" or "redis"
	Dir    string
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		beChild(text)
	}
	os.Exit(m.Run())
}

func beChild(text string) {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	start := PostgreSQL
	if o.Server == "redis" {
		start = Redis
	}
	s, err := start(context.Background(), Options{Dir: o.Dir, Durable: true})
	if err != nil {
		fmt.Println("ERROR", err)
		os.Exit(1)
	}
	fmt.Println(s.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone or closes it
	s.Stop()
	os.Exit(0)
}

// child is another process that runs a server.
type child struct {
	cmd *exec.Cmd
	url string
}

func startChild(t *testing.T, o order) *child {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	_, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.NotContains(t, line, "ERROR")
	return &child{cmd: cmd, url: line[:len(line)-1]}
}

// kill is kill -9: the child gets no chance to tidy up.
func (c *child) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGKILL))
	_ = c.cmd.Wait()
}

// again runs tests of this binary as another account, with a temporary
// directory of its own.
func again(t *testing.T, uid uint32, pattern string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may become somebody else")
	}
	dir, err := os.MkdirTemp("/tmp", "orderflow-as-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	binary := filepath.Join(dir, "tests")
	program, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	syscall.ForkLock.RLock() // a child begun meanwhile would have it open for writing, and nobody could run it
	err = os.WriteFile(binary, program, 0o755)
	syscall.ForkLock.RUnlock()
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, int(uid), int(uid)))

	cmd := exec.CommandContext(t.Context(), binary, "-test.run", pattern, "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	require.Contains(t, string(said), "--- PASS")
}

// noneLeft waits until no server process works in dir.
func noneLeft(t *testing.T, dir string) {
	t.Helper()
	resolved, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(strays(resolved)) == 0 }, time.Minute, 10*time.Millisecond,
		"servers still run in %s", dir)
}

// nothing is a machine without any program.
func nothing(string) []string { return nil }
