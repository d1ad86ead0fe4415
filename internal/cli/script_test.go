package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

// TestScripts runs testdata/script: what people type, and what they are told.
// Besides testscript's own commands there are
//
//	database          a clean migrated database in DATABASE_URL
//	trade             an order that is completed, one that is given back and one
//	                  that was paid late, in that database
//	sql STATEMENT…    what was never meant to be done to it, triggers or not
//	exits CODE ARG…   run orderflow and expect this very exit code
//	given WHAT        an order of 1000 CNY that WHAT happened to: see given_test.go
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireUniqueNames: true, UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Values["test"] = env.T()
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"database": setDatabase, "trade": trade, "sql": vandalise, "exits": exits, "given": given},
	})
}

func setDatabase(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("DATABASE_URL", dbtest.URL(ts.Value("test").(testing.TB)))
}

// trade puts three orders of m_1 into the database: 10000 CNY with a fee of 60
// completed, 10000 given back, 10000 on its way back to who paid too late.
func trade(ts *testscript.TestScript, _ bool, _ []string) {
	d, err := db.Open(context.Background(), ts.Getenv("DATABASE_URL"), 2)
	ts.Check(err)
	defer d.Close()
	store := db.NewStore(d, db.StoreOptions{Log: zap.NewNop()})
	defer store.Close()
	now := time.Now().UTC().Truncate(time.Microsecond)
	for _, live := range []func(*order.Order, order.Receipt) error{
		func(o *order.Order, r order.Receipt) error {
			return errors.Join(o.Receive(r, now), o.Deliver("SF1", "merchant:m_1", now), o.Complete("app:shop", now))
		},
		func(o *order.Order, r order.Receipt) error {
			return errors.Join(o.Receive(r, now), o.FailDelivery("sold out", "merchant:m_1", now),
				o.SubmitRefund(o.Refunds[0].ID, now), o.SucceedRefund(o.Refunds[0].ID, now))
		},
		func(o *order.Order, r order.Receipt) error {
			return errors.Join(o.Cancel("changed my mind", "app:shop", now), o.CloseAttempt(r.Attempt, "closed", now), o.Receive(r, now))
		},
	} {
		o, err := order.New(ident.New[order.Order](), order.Draft{
			MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", FeeBps: 60, Items: []order.Item{{SKU: "TEA", Quantity: 1, UnitPrice: 10_000}},
		}, "app:shop", now)
		ts.Check(err)
		a, err := o.Pay("sandbox", "app:shop", now)
		ts.Check(err)
		ts.Check(store.Create(context.Background(), o, nil))
		receipt := order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "T1", Amount: a.Amount, Currency: a.Currency, PaidAt: now}
		ts.Check(store.Update(context.Background(), o.ID, nil, func(o *order.Order) error { return live(o, receipt) }))
	}
}

func vandalise(ts *testscript.TestScript, _ bool, statements []string) {
	d, err := db.Open(context.Background(), ts.Getenv("DATABASE_URL"), 2)
	ts.Check(err)
	defer d.Close()
	tx, err := d.BeginTx(context.Background(), nil)
	ts.Check(err)
	defer func() { _ = tx.Rollback() }()
	for _, s := range append(append([]string{"ALTER TABLE ledger_postings DISABLE TRIGGER USER"}, statements...), "ALTER TABLE ledger_postings ENABLE TRIGGER USER") {
		_, err := tx.ExecContext(context.Background(), s)
		ts.Check(err)
	}
	ts.Check(tx.Commit())
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var ended *exec.ExitError
	switch err := ts.Exec("orderflow", args[1:]...); {
	case errors.As(err, &ended):
		code = ended.ExitCode()
	default:
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("orderflow exits with %d, want %d", code, want)
	}
}
