package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/tasks"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// patience is for what happens within milliseconds on a machine that has
// nothing else to do.
const patience = time.Minute

// market is all that a trade needs, for one test: a database and a Redis of its
// own, Orderflow on a port of its own with the sandbox channel, and a merchant
// elsewhere. Tests reach it as the world does, over HTTP. When the test ends
// Orderflow is stopped and its books are audited.
type market struct {
	*testing.T
	cfg     config.Config
	log     *zap.Logger
	journal string // the channel's memory
	db      *db.DB
	shop    *shop
	channel *sandbox.Channel // the channel's gateway, as seen by the merchant of record
	open    []*App

	app, seller, operator *api.Client
}

// newMarket makes a market in which Orderflow is not running yet.
func newMarket(t *testing.T, changes ...func(*config.Config)) *market {
	t.Helper()
	m := &market{
		T: t, journal: filepath.Join(t.TempDir(), "sandbox.jsonl"), shop: newShop(t),
		log: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)),
	}
	m.cfg = settings(t, dbtest.URL(t), dbtest.Redis(t))
	m.db = m.look(m.cfg.Database.URL)
	for _, change := range changes {
		change(&m.cfg)
	}
	require.NoError(t, seed(t.Context(), m.cfg))
	require.NoError(t, seedEndpoint(t.Context(), m.db, m.shop.url+"/notices"))
	m.app, m.seller, m.operator = m.client(devAppKey), m.client(devMerchantKey), m.client(devOperatorKey)
	var err error
	m.channel, err = sandbox.New(sandbox.Options{BaseURL: m.cfg.BaseURL() + "/sandbox", Secret: m.cfg.Sandbox.Secret})
	require.NoError(t, err)
	t.Cleanup(m.close)
	return m
}

// openMarket makes a market in which Orderflow is running.
func openMarket(t *testing.T, changes ...func(*config.Config)) *market {
	t.Helper()
	m := newMarket(t, changes...)
	m.start(m.cfg)
	return m
}

func settings(t *testing.T, database, redis string) config.Config {
	t.Helper()
	defaults := config.DevDefaults()
	for name, value := range map[string]string{
		"http": freeAddr(t), "database.url": database, "database.max_conns": "4", "redis.url": redis,
		// What is refused for overload is one test's business: elsewhere the machine
		// may be as slow as it is.
		"intake.within": "1h", "intake.behind": "1h",
		"relay.every": "50ms", "workers.delayed_interval": "50ms", "workers.concurrency": "8",
		// Long enough that it is the callback that counts.
		"terms.first_query": "1h",
		// Endpoints hear what a test is about.
		"notify.verify_every": "0s",
	} {
		defaults[name] = value
	}
	cfg, err := config.Load(config.Sources{Env: func() []string { return nil }, Defaults: defaults})
	require.NoError(t, err)
	return cfg
}

// askedAfter makes Orderflow ask the channel soon.
func askedAfter(d time.Duration) func(*config.Config) {
	return func(c *config.Config) { c.Terms.FirstQuery = d }
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

func (m *market) look(url string) *db.DB {
	m.Helper()
	d, err := OpenDB(m.Context(), config.Config{Database: config.Database{URL: url}, Secrets: m.cfg.Secrets}, 2)
	require.NoError(m, err)
	m.Cleanup(func() { _ = d.Close() })
	return d
}

func (m *market) client(key string) *api.Client {
	c := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	m.Cleanup(c.CloseIdleConnections)
	return api.New(m.cfg.BaseURL(), key, api.WithHTTPClient(c), api.WithTries(1))
}

// start runs an Orderflow until the test's end, or until it is stopped.
func (m *market) start(cfg config.Config) *App {
	m.Helper()
	a, err := Start(m.Context(), cfg, m.log, Extras{FixedKeys: true, SandboxJournal: m.journal})
	require.NoError(m, err)
	m.open = append(m.open, a)
	return a
}

// close ends all and looks whether the books add up.
func (m *market) close() {
	for _, a := range m.open {
		a.Stop()
	}
	m.shop.close()
	findings, err := m.db.Audit(context.Background())
	require.NoError(m, err)
	require.Empty(m, findings)
	m.shop.check(m.T)
}

// stay follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// answer is what an HTTP request was answered.
type answer struct {
	status int
	header http.Header
	body   string
}

// visitor is who comes without the client: a browser, a stranger, a channel.
var visitor = &http.Client{CheckRedirect: stay, Timeout: patience}

// send makes a request with pairs of header names and values.
func (m *market) send(method, url, body string, headers ...string) answer {
	m.Helper()
	req, err := http.NewRequestWithContext(m.Context(), method, url, strings.NewReader(body))
	require.NoError(m, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := visitor.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// pay is the buyer at the pay page; how chooses what goes wrong there, such as
// "fault=drop".
func (m *market) pay(p *api.Payment, how string) answer {
	m.Helper()
	require.NotNil(m, p)
	require.NotNil(m, p.Action, "the payment has a link: %+v", p)
	return m.send(http.MethodPost, p.Action.URL, how, "Content-Type", "application/x-www-form-urlencoded")
}

func (m *market) paid(p *api.Payment, how string) {
	m.Helper()
	a := m.pay(p, how)
	require.Equal(m, http.StatusOK, a.status, a.body)
}

// disturb sets what goes wrong at the channel for everyone.
func (m *market) disturb(f simulator.Faults) {
	m.Helper()
	body, err := json.Marshal(f)
	require.NoError(m, err)
	a := m.send(http.MethodPost, m.cfg.BaseURL()+"/sandbox/faults", string(body), sandbox.SignatureHeader, sandbox.Sign(m.cfg.Sandbox.Secret, body, time.Now()))
	require.Equal(m, http.StatusOK, a.status, a.body)
}

// tea is an order of the demo merchant's tea, to be paid through the sandbox.
func tea(changes ...func(*api.NewOrder)) api.NewOrder {
	o := api.NewOrder{
		MerchantID: devMerchant, BuyerID: "b_1", Currency: "CNY", Channel: sandbox.Name,
		Items: []api.Item{{SKU: devSKU, Name: "Tea", Quantity: 2, UnitPrice: 1299}},
	}
	for _, change := range changes {
		change(&o)
	}
	return o
}

func within(seconds int64) func(*api.NewOrder) {
	return func(o *api.NewOrder) { o.PayWithinSeconds = seconds }
}

func (m *market) create(changes ...func(*api.NewOrder)) *api.Order {
	m.Helper()
	o, err := m.app.CreateOrder(m.Context(), tea(changes...))
	require.NoError(m, err)
	return o
}

func (m *market) order(id string) *api.Order {
	m.Helper()
	o, err := m.app.Order(m.Context(), id)
	require.NoError(m, err)
	return o
}

// until waits for what can only be seen by looking.
func (m *market) until(what string, reached func() bool) {
	m.Helper()
	limit, tick := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-limit:
			m.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// awaits looks at an order until it stands where wanted.
func (m *market) awaits(id string, wanted order.Status) *api.Order {
	m.Helper()
	var o *api.Order
	m.until(fmt.Sprintf("order %s becomes %s", id, wanted), func() bool {
		o = m.order(id)
		return o.Status == string(wanted)
	})
	return o
}

// notified waits until the merchant has taken an order's notice.
func (m *market) notified(id string) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	require.NoError(m, m.shop.Wait(ctx, id))
}

func (m *market) timeline(id string) (types []string) {
	m.Helper()
	line, err := m.app.Events(m.Context(), id)
	require.NoError(m, err)
	for _, e := range line.Events {
		types = append(types, e.Type)
	}
	return types
}

func (m *market) stock() api.Stock {
	m.Helper()
	s, err := m.seller.Stock(m.Context(), devMerchant, devSKU)
	require.NoError(m, err)
	return *s
}

// owed is what is still to be done, or only what is due by now.
func (m *market) owed(dueBy ...time.Time) (keys []string) {
	m.Helper()
	rows, err := m.db.Tasks(m.Context(), tasks.Filter{Limit: 200})
	require.NoError(m, err)
	for _, r := range rows {
		if slices.Contains(tasks.Standing(), r.Key) || r.Kind == tasks.EndpointVerify { // they always are
			continue
		}
		if len(dueBy) == 0 || r.DueAt.Before(dueBy[0]) {
			keys = append(keys, r.Key.String())
		}
	}
	return keys
}

// quiet says that nothing is to be done soon; deadlines of deliveries are days
// away.
func (m *market) quiet() bool { return len(m.owed(time.Now().Add(30*time.Minute))) == 0 }

// number asks the database for one number.
func (m *market) number(sql string, args ...any) (n int) {
	m.Helper()
	require.NoError(m, m.db.QueryRowContext(m.Context(), sql, args...).Scan(&n))
	return n
}

// ledger is an order's postings: "debit < credit amount".
func (m *market) ledger(id string) (lines []string) {
	m.Helper()
	rows, err := m.db.QueryContext(m.Context(), "SELECT format('%s < %s %s', debit, credit, amount) FROM ledger_postings WHERE order_id = ? ORDER BY seq, line", id)
	require.NoError(m, err)
	defer rows.Close()
	for rows.Next() {
		var line string
		require.NoError(m, rows.Scan(&line))
		lines = append(lines, line)
	}
	require.NoError(m, rows.Err())
	return lines
}
