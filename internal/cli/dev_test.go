package cli

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/producer/api"
)

func TestDev(t *testing.T) {
	t.Parallel()
	t.Run("as who runs the tests", func(t *testing.T) {
		t.Parallel()
		tryOut(t, ourselves(t))
	})
	if os.Geteuid() == 0 {
		t.Run("as an account without rights", func(t *testing.T) {
			t.Parallel()
			tryOut(t, anybody(t))
		})
	}
}

// tryOut is somebody's first hour with `orderflow dev`.
func tryOut(t *testing.T, p person) {
	t.Helper()
	s := p.dev(t)
	said, _ := s.out.read()
	require.True(t, strings.HasPrefix(said, "Orderflow is starting"), said)
	for _, text := range []string{
		s.base() + "/v1", s.base() + "/docs", s.base() + "/monitor", s.base() + "/metrics", s.base() + "/sandbox/",
		"dev_app_key", "dev_merchant_key", "dev_operator_key", "PostgreSQL", "Redis", "Data stay in .orderflow/",
	} {
		require.Contains(t, said, text)
	}
	s.typesTheLines(said)

	o := orderPaid(t, s)
	code, out := p.run(t, "order", "show", o.ID)
	require.Zero(t, code, out)
	require.Contains(t, out, "order.paid")
	code, out = p.run(t, "healthcheck", "--url", s.base()+"/readyz")
	require.Zero(t, code, out)
	code, out = p.run(t, "doctor", "--audit")
	require.Contains(t, out, "stock, money, timelines and tasks add up", "exit code %d", code)
	require.NotContains(t, out, "payment channels", "it has one")
	code, out = p.run(t, "endpoint", "test", "m_demo", "01970000-0000-7000-8000-00000000de00")
	require.Zero(t, code, out)
	require.Contains(t, out, "it verifies signatures")

	code, out = p.run(t, "dev", "--http", freeAddr(t))
	require.Equal(t, exitFailed, code)
	require.Regexp(t, `is in use by process \d+: stop that one, or use another directory`, out)
	code, out = p.run(t, "dev", "--ephemeral", "--http", s.addr)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "choose another address with --http")

	family, began := descendants(s.cmd.Process.Pid), time.Now()
	require.Zero(t, s.interrupt(), "Ctrl-C is no failure")
	require.Less(t, time.Since(began), 20*time.Second)
	require.Empty(t, left(family, p.dir), "nothing is left behind")
	require.NoFileExists(t, p.dir+"/.orderflow/dev.json")
	t.Logf("ended within %s", time.Since(began).Round(time.Millisecond))

	s = p.dev(t)
	require.Equal(t, "paid", status(t, s, o.ID), "the second start finds it")
	family = descendants(s.cmd.Process.Pid)
	s.kill()
	until(t, "its servers follow a killed dev", func() bool { return len(left(family, p.dir)) == 0 })

	s = p.dev(t)
	require.Equal(t, "paid", status(t, s, o.ID), "and so does the one after kill -9")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.ended
	require.Zero(t, s.cmd.ProcessState.ExitCode())
	require.Empty(t, left(family, p.dir))
}

// typesTheLines types the lines that the welcome offers.
func (s *server) typesTheLines(said string) {
	s.Helper()
	bash, noBash := exec.LookPath("bash")
	_, noCurl := exec.LookPath("curl")
	if noBash != nil || noCurl != nil {
		s.Log("bash or curl is not here: the three lines were not tried")
		return
	}
	var lines []string
	for line := range strings.Lines(said) {
		if strings.Contains(line, "curl -s") {
			lines = append(lines, line)
		}
	}
	require.Len(s, lines, 3)
	cmd := exec.CommandContext(s.Context(), bash, "-c", strings.Join(lines, ""))
	cmd.Env = append(os.Environ(), "no_proxy=127.0.0.1")
	out, err := cmd.CombinedOutput()
	require.NoError(s, err, string(out))
	require.Contains(s, string(out), `"status":"pending_pay"`)
	require.Contains(s, string(out), `"status":"paid"`)
	require.Contains(s, string(out), `"type":"order.created"`)
	require.Contains(s, string(out), `"type":"order.paid"`)
}

// orderPaid takes one order to paid.
func orderPaid(t *testing.T, s *server) *api.Order {
	t.Helper()
	o, err := s.app.CreateOrder(t.Context(), tea("", 0))
	require.NoError(t, err)
	code, said := pay(t.Context(), o.Payment, "")
	require.Equal(t, 200, code, said)
	until(t, "the order is paid", func() bool { return status(t, s, o.ID) == "paid" })
	return o
}

func status(t *testing.T, s *server, id string) string {
	t.Helper()
	o, err := s.app.Order(t.Context(), id)
	require.NoError(t, err)
	return o.Status
}

// tea is an order of the demo merchant's, who does with it what is asked for.
func tea(demo string, seconds int64) api.NewOrder {
	o := api.NewOrder{
		MerchantID: "m_demo", BuyerID: "b_1", Currency: "CNY", Channel: "sandbox", PayWithinSeconds: seconds,
		Items: []api.Item{{SKU: "TEA-1", Name: "Tea", Quantity: 1, UnitPrice: 1299}},
	}
	if demo != "" {
		o.Metadata = map[string]string{"demo": demo}
	}
	return o
}

func TestDevEphemeral(t *testing.T) {
	t.Parallel()
	p := ourselves(t)
	s := p.dev(t, "--ephemeral")
	orderPaid(t, s)
	require.Zero(t, s.interrupt())
	require.NoDirExists(t, p.dir+"/.orderflow")
}
