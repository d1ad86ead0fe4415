package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// field is a database that is seeded in a test.
type field struct {
	t    *testing.T
	url  string
	db   *db.DB
	conn *pgx.Conn
}

func newField(t *testing.T) *field {
	t.Helper()
	f := &field{t: t, url: dbtest.URL(t)}
	var err error
	f.db, err = db.Open(t.Context(), f.url, 4)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.db.Close() })
	f.conn, err = pgx.Connect(t.Context(), f.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.conn.Close(context.WithoutCancel(t.Context())) })
	return f
}

func (f *field) count(sql string) (n int64) {
	f.t.Helper()
	require.NoError(f.t, f.conn.QueryRow(f.t.Context(), sql).Scan(&n), sql)
	return n
}

// sound says that nothing is wrong with the database.
func (f *field) sound() {
	f.t.Helper()
	findings, err := f.db.Audit(f.t.Context())
	require.NoError(f.t, err)
	require.Empty(f.t, findings)
}

func seedOptions(url string) SeedOptions {
	return SeedOptions{Orders: 3000, Closes: 1000, Days: 30, ClosesIn: time.Hour, ClosesWithin: 24 * time.Hour, Streams: 2, Database: url}
}

func TestWhatIsSeededIsSound(t *testing.T) {
	t.Parallel()
	f, began := newField(t), time.Now()
	o := seedOptions(f.url)
	var plan SeedPlan
	o.Plan = func(p SeedPlan) { plan = p }
	v, err := Seed(t.Context(), o)
	require.NoError(t, err)
	f.sound()
	report, err := f.db.CheckLedger(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, report.Wrong)
	require.EqualValues(t, 4000, report.Orders)

	require.EqualValues(t, 4000, f.count("SELECT count(*) FROM orders"))
	require.EqualValues(t, 1000, f.count("SELECT count(*) FROM orders WHERE status = 'pending_pay'"))
	require.Equal(t, v.Endings["closed"], f.count("SELECT count(*) FROM orders WHERE status = 'closed'"))
	require.Equal(t, v.Endings["completed"]+v.Endings["refunded in part"], f.count("SELECT count(*) FROM orders WHERE status = 'completed'"))
	require.Equal(t, v.Endings["refunded"]+v.Endings["called off"], f.count("SELECT count(*) FROM orders WHERE status = 'refunded'"))
	for _, name := range []string{"completed", "closed", "refunded", "called off", "refunded in part"} {
		require.Positive(t, v.Endings[name], name)
	}
	var rows int64
	for _, of := range v.Tables {
		there := f.count("SELECT count(*) FROM " + of.Name)
		if of.Name == "outbox" { // the endpoints' own is not of an order
			there -= f.count("SELECT count(*) FROM outbox WHERE kind = 'endpoint:verify'")
		}
		require.Equal(t, there, of.Rows, of.Name)
		require.Positive(t, of.Rows, of.Name)
		require.Positive(t, of.Bytes, of.Name)
		rows += of.Rows
	}
	require.Equal(t, rows, v.Rows)
	require.InEpsilon(t, plan.Rows, v.Rows, 0.1, "the plan knew it")
	require.Zero(t, f.count("SELECT count(*) FROM orders WHERE created_at < '"+plan.From.Format(time.RFC3339)+"' OR created_at > '"+ceil(plan.To).Format(time.RFC3339)+"'"))
	f.timesAreRight(began)
	f.waitingIsOwed(1000, plan)
}

// timesAreRight says that every order lived in the past, at the time that its id
// tells.
func (f *field) timesAreRight(began time.Time) {
	f.t.Helper()
	rows, err := f.conn.Query(f.t.Context(), "SELECT id, created_at, status FROM orders ORDER BY id")
	require.NoError(f.t, err)
	var (
		id     [16]byte
		at     time.Time
		status string
		oldest = map[string]time.Time{}
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &at, &status}, func() error {
		ms := int64(id[0])<<40 | int64(id[1])<<32 | int64(id[2])<<24 | int64(id[3])<<16 | int64(id[4])<<8 | int64(id[5])
		require.Equal(f.t, at.UnixMilli(), ms)
		require.EqualValues(f.t, 7, id[6]>>4)
		require.EqualValues(f.t, 2, id[8]>>6)
		if oldest[status].IsZero() {
			oldest[status] = at
		}
		return nil
	})
	require.NoError(f.t, err)
	require.WithinDuration(f.t, began.AddDate(0, 0, -30), oldest["completed"], time.Hour)
	require.Zero(f.t, f.count("SELECT count(*) FROM order_events WHERE at > now()"))
	require.Zero(f.t, f.count("SELECT count(*) FROM notice_attempts WHERE at > now()"))
	require.Zero(f.t, f.count("SELECT count(*) FROM idempotency_keys WHERE created_at < now() - interval '7 days' AND key::uuid IN (SELECT id FROM orders WHERE status <> 'pending_pay')"))
}

// waitingIsOwed says that only what waits is owed, and late enough.
func (f *field) waitingIsOwed(n int64, plan SeedPlan) {
	f.t.Helper()
	require.Equal(f.t, 2*n, f.count("SELECT count(*) FROM outbox WHERE kind <> 'endpoint:verify'"))
	require.Zero(f.t, f.count("SELECT count(*) FROM outbox WHERE kind <> 'endpoint:verify' AND (due_at < now() + interval '50 minutes' OR promoted_at IS NOT NULL)"))
	require.Equal(f.t, n, f.count("SELECT count(*) FROM outbox b JOIN orders o ON o.id = b.subject WHERE b.kind = 'order:close' AND b.due_at = o.expire_at"))
	var first, last time.Time
	require.NoError(f.t, f.conn.QueryRow(f.t.Context(), "SELECT min(due_at), max(due_at) FROM outbox WHERE kind = 'order:close'").Scan(&first, &last))
	require.WithinDuration(f.t, plan.First, first, 0)
	require.WithinDuration(f.t, plan.Last, last, 2*time.Minute)
	require.WithinDuration(f.t, time.Now().Add(time.Hour), first, time.Minute)
}

// What was stamped reads as what the store wrote, word for word, but for what
// each order has of its own.
func TestASeededOrderReadsAsOneThatLived(t *testing.T) {
	t.Parallel()
	f := newField(t)
	o := seedOptions(f.url)
	o.Orders, o.Closes = 400, 0
	_, err := Seed(t.Context(), o)
	require.NoError(t, err)
	list, err := f.db.Orders(t.Context(), order.Filter{Status: order.Completed, Limit: 200})
	require.NoError(t, err)
	require.NotEmpty(t, list)
	for _, v := range list[:5] {
		id := v.ID.String()
		require.True(t, strings.HasPrefix(v.MerchantID, "bench_"), v.MerchantID)
		require.True(t, strings.HasPrefix(v.BuyerID, "b_"), v.BuyerID)
		require.True(t, strings.HasPrefix(v.Items[0].SKU, "TEA-"), v.Items[0].SKU)
		require.Equal(t, "T"+strings.ToUpper(v.Attempts[0].ID.Compact()), v.Attempts[0].TradeNo)
		n, err := f.db.Notice(t.Context(), order.DeliveryID(v.ID).String())
		require.NoError(t, err)
		for _, words := range []string{id, v.MerchantID, v.BuyerID, v.Items[0].SKU, v.Attempts[0].TradeNo, v.CreatedAt.Format(time.RFC3339Nano), v.PaidAt.Format(time.RFC3339Nano)} {
			require.Contains(t, string(n.Body), words)
		}
		tries, err := f.db.NoticeAttempts(t.Context(), n.ID)
		require.NoError(t, err)
		require.Len(t, tries, 1)
		endpoints, err := f.db.Endpoints(t.Context(), v.MerchantID)
		require.NoError(t, err)
		require.Equal(t, endpoints[0].ID, tries[0].EndpointID)
		require.True(t, endpoints[0].Paused, "nobody hears of what comes later")
	}
	for t2, of := range tables {
		require.NotEmpty(t, of.name, t2)
		for _, mark := range []string{markMerchant, markBuyer, markTea, markCup, ident.As[order.Order](markEndpoint).String()} {
			require.Zero(t, f.count("SELECT count(*) FROM "+of.name+" x WHERE x::text LIKE '%"+mark+"%'"), "%s in %s", mark, of.name)
		}
	}
}

func TestADatabaseWithOrdersIsSeededOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	f := newField(t)
	o := seedOptions(f.url)
	o.Orders, o.Closes = 100, 50
	_, err := Seed(t.Context(), o)
	require.NoError(t, err)
	_, err = Seed(t.Context(), o)
	require.ErrorContains(t, err, "the database has orders already")
	require.ErrorContains(t, err, "--add")
	o.Add = true
	_, err = Seed(t.Context(), o)
	require.NoError(t, err)
	require.EqualValues(t, 300, f.count("SELECT count(*) FROM orders"))
	f.sound()
	counts, err := f.db.TaskCounts(t.Context())
	require.NoError(t, err)
	for _, c := range counts {
		if c.Kind == tasks.OrderClose {
			require.Equal(t, 100, c.Waiting)
		}
	}
}

// Broken off it leaves whole chunks.
func TestASeedingThatIsBrokenOffLeavesTheBooksInOrder(t *testing.T) {
	t.Parallel()
	f := newField(t)
	o := seedOptions(f.url)
	o.Orders, o.Closes, o.Streams = 60_000, 0, 1
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o.Say = func(line string) {
		if !strings.Contains(line, "to go") {
			return
		}
		stop()
	}
	_, err := Seed(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	n := f.count("SELECT count(*) FROM orders")
	require.Positive(t, n)
	require.Zero(t, n%chunkOf)
	f.sound()
}

func TestSeedingsThatCannotBe(t *testing.T) {
	t.Parallel()
	require.NoError(t, seedOptions("").Check())
	for name, change := range map[string]func(*SeedOptions){
		"orders":         func(o *SeedOptions) { o.Orders = -1 },
		"closes":         func(o *SeedOptions) { o.Closes = -1 },
		"orders, closes": func(o *SeedOptions) { o.Orders, o.Closes = 0, 0 },
		"days":           func(o *SeedOptions) { o.Days = 0 },
		"closes-within":  func(o *SeedOptions) { o.ClosesWithin = 31 * 24 * time.Hour },
		"streams":        func(o *SeedOptions) { o.Streams = -1 },
	} {
		o := seedOptions("")
		change(&o)
		require.ErrorContains(t, o.Check(), name+":")
	}
}

func TestTheEndingsAreOfAThousand(t *testing.T) {
	t.Parallel()
	all := 0
	for _, e := range endings() {
		all += e.share
	}
	require.Equal(t, 1000, all)
}
