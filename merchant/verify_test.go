package merchant

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What our Notifier sends is verified by the JavaScript libraries that merchants
// use, on a server of Node's, while three secrets of two schemes sign.
func TestPublishedLibrariesVerifyOurNotices(t *testing.T) {
	t.Parallel()
	at := nodeMerchant(t)
	fresh, before, pair := NewSecret(), NewSecret(), NewKeyPair()
	e := endpoint("")
	e.Secrets = []string{fresh, pair, before}
	n := notice()
	n.Body = told(t, paidOrder(t)) // with 茶 in it
	send := func(with, key, more string) Attempt {
		e := e
		e.URL = at + "?with=" + with + "&key=" + url.QueryEscape(key) + more
		return develop(t, Timeouts{Header: long, Exchange: long}).Send(t.Context(), e, n)
	}
	for with, keys := range map[string]struct {
		good     []string
		stranger string
	}{
		"standardwebhooks": {[]string{fresh, before}, NewSecret()},
		"svix":             {[]string{fresh, before}, NewSecret()},
		"ed25519":          {[]string{PublicKey(pair)}, PublicKey(NewKeyPair())},
	} {
		t.Run(with, func(t *testing.T) {
			for _, key := range keys.good {
				a := send(with, key, "")
				require.True(t, a.OK, a.Error)
				a = send(with, key, "&alter=1")
				require.Equal(t, http.StatusUnauthorized, a.HTTPStatus, "another body: %s", a.Error)
			}
			require.Equal(t, http.StatusUnauthorized, send(with, keys.stranger, "").HTTPStatus, "a stranger's key")
		})
	}
	t.Run("after the change", func(t *testing.T) {
		e.Secrets = []string{fresh}
		for _, with := range []string{"standardwebhooks", "svix"} {
			require.True(t, send(with, fresh, "").OK)
			require.Equal(t, http.StatusUnauthorized, send(with, before, "").HTTPStatus, "it has expired")
		}
	})
}

// nodeMerchant runs testdata/verify/merchant.js until the test's end and returns
// where it is.
func nodeMerchant(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/verify")))
	node := install(t, dir)
	cmd := exec.Command(node, "merchant.js")
	cmd.Dir, cmd.Stderr = dir, t.Output()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the merchant does not start")
	return "http://127.0.0.1:" + strings.TrimSpace(port) + "/"
}

// install puts the libraries, as package-lock.json pins them, into dir and finds
// Node. On a machine without Node, npm or npm's registry the test is skipped; in
// CI, once there is Node, nothing excuses it.
func install(t *testing.T, dir string) (node string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node here: what JavaScript's libraries say of our signatures is not looked at")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1", "--loglevel=error")
	npm.Dir = dir
	said, err := npm.CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("npm ci: %v\n%s", err, said)
	default:
		t.Skipf("npm cannot install JavaScript's libraries here, so what they say of our signatures is not looked at: %v\n%s", err, said)
	}
	return node
}
