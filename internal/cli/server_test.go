package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/producer/api"
)

// patience is for what takes a second or two on a machine that has nothing else
// to do, or half a minute when Redis has forgotten it.
const patience = 2 * time.Minute

// person is an account of this machine that runs orderflow in a directory of
// its own.
type person struct {
	dir     string
	program string
	as      *syscall.Credential // nil: as we are
}

// ourselves is who runs the tests.
func ourselves(t *testing.T) person {
	t.Helper()
	return person{dir: t.TempDir(), program: "orderflow"}
}

// anybody is an account without rights. Only root can become it.
func anybody(t *testing.T) person {
	t.Helper()
	const nobody = 65534
	home, err := os.MkdirTemp("", "orderflow-anybody-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	require.NoError(t, os.Chmod(home, 0o755))
	p := person{dir: filepath.Join(home, "work"), program: filepath.Join(home, "orderflow"), as: &syscall.Credential{Uid: nobody, Gid: nobody}}
	require.NoError(t, os.Mkdir(p.dir, 0o700))
	require.NoError(t, os.Chown(p.dir, nobody, nobody))
	self, err := exec.LookPath("orderflow")
	require.NoError(t, err)
	body, err := os.ReadFile(self)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(p.program, body, 0o755))
	return p
}

func (p person) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.program, args...)
	cmd.Dir = p.dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DATABASE_URL=") && !strings.HasPrefix(v, "REDIS_URL=") && !strings.HasPrefix(v, "ORDERFLOW_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+p.dir, "ORDERFLOW_TERMS_FIRST_QUERY=1s")
	// A group of its own, as a shell gives to what is typed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.as}
	return cmd
}

// run runs a command to its end.
func (p person) run(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	text, err := p.command(ctx, args...).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		require.NoError(t, err, string(text))
		return 0, string(text)
	}
	return ended.ExitCode(), string(text)
}

// server is an `orderflow dev` in a process of its own.
type server struct {
	*testing.T
	person
	addr  string
	cmd   *exec.Cmd
	out   transcript
	ended chan struct{} // closed when the process has ended
	app   *api.Client
	ops   *api.Client
}

// dev starts a development server and returns when it is up.
func (p person) dev(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{T: t, person: p, addr: freeAddr(t), ended: make(chan struct{})}
	s.out.changed = make(chan struct{})
	s.cmd = p.command(context.WithoutCancel(t.Context()), append([]string{"dev", "--http", s.addr}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	require.NoError(t, s.cmd.Start())
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait()
	}()
	t.Cleanup(s.kill)
	s.app, s.ops = s.client("dev_app_key"), s.client("dev_operator_key")
	s.says("Ctrl-C ends everything")
	return s
}

func (s *server) base() string { return "http://" + s.addr }

func (s *server) client(key string) *api.Client {
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	s.Cleanup(c.CloseIdleConnections)
	return api.New(s.base(), key, api.WithHTTPClient(c), api.WithTries(1))
}

// says waits until the server has printed a text.
func (s *server) says(text string) {
	s.Helper()
	limit := time.After(patience)
	for {
		said, changed := s.out.read()
		if strings.Contains(said, text) {
			return
		}
		select {
		case <-changed:
		case <-s.ended:
			s.Fatalf("orderflow dev ended with %v before it said %q:\n%s", s.cmd.ProcessState, text, said)
		case <-limit:
			s.Fatalf("orderflow dev does not say %q:\n%s", text, said)
		}
	}
}

// interrupt is Ctrl-C: the whole group gets it. It returns the exit code.
func (s *server) interrupt() int {
	s.Helper()
	require.NoError(s, syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT))
	select {
	case <-s.ended:
	case <-time.After(patience):
		said, _ := s.out.read()
		s.Fatalf("orderflow dev does not end:\n%s", said)
	}
	return s.cmd.ProcessState.ExitCode()
}

// kill is kill -9 of the program, and of nothing else.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// note is what the server leaves for the other commands.
func (s *server) note() (n struct {
	Database string `json:"database_url"`
	Redis    string `json:"redis_url"`
},
) {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, ".orderflow", "dev.json"))
	require.NoError(s, err)
	require.NoError(s, json.Unmarshal(text, &n))
	return n
}

func (s *server) database() *db.DB {
	s.Helper()
	d, err := db.Open(s.Context(), s.note().Database, 2)
	require.NoError(s, err)
	s.Cleanup(func() { _ = d.Close() })
	return d
}

// transcript is what a process has printed.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed, and made anew, with each write
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.changed)
	t.changed = make(chan struct{})
	return t.text.Write(b)
}

func (t *transcript) read() (string, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String(), t.changed
}

// freeAddr is an address below the ports that systems give to outgoing
// connections: one that was free stays free.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))
		ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err == nil {
			require.NoError(t, ln.Close())
			return addr
		}
	}
	t.Fatal("no free port found")
	return ""
}

// until waits for what can only be seen by looking.
func until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	limit, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// pay is the buyer at the pay page.
func pay(ctx context.Context, p *api.Payment, how string) (status int, body string) {
	if p == nil || p.Action == nil {
		return 0, "no link to pay at"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Action.URL+"?"+how, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, string(text)
}

// process is one process of this machine; its number alone may be given again.
type process struct {
	pid     int
	parent  int
	started string
	name    string
}

// processes lists those that are alive, where the system tells.
func processes() (list []process) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		before, after, _ := strings.Cut(string(text), "(")
		cut := strings.LastIndex(after, ")")
		fields := strings.Fields(after[cut+1:])
		pid, _ := strconv.Atoi(strings.TrimSpace(before))
		parent, _ := strconv.Atoi(fields[1])
		if fields[0] != "Z" {
			list = append(list, process{pid, parent, fields[19], after[:cut]})
		}
	}
	return list
}

// descendants are the children of a process, theirs, and so on.
func descendants(of int) (found []process) {
	for _, p := range processes() {
		if p.parent == of {
			found = append(append(found, p), descendants(p.pid)...)
		}
	}
	return found
}

// left are those of some processes that are still alive, and whatever else
// works in a directory or has it among its arguments.
func left(of []process, dir string) (list []string) {
	for _, p := range processes() {
		for _, q := range of {
			if p.pid == q.pid && p.started == q.started {
				list = append(list, fmt.Sprintf("%d %s", p.pid, p.name))
			}
		}
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.pid))
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		if strings.HasPrefix(cwd, dir) || bytes.Contains(args, []byte(dir)) {
			list = append(list, fmt.Sprintf("%d %s in %s", p.pid, p.name, cwd))
		}
	}
	return list
}
