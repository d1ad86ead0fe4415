package workers

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/internal/alert"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// died is an order whose notice is dead, and the alert that is owed for it.
func (b *bench) died() (*order.Order, tasks.Key) {
	b.t.Helper()
	o, _ := b.paid()
	row := b.row(notifyOf(o))
	require.NoError(b.t, b.Settle(b.ctx, tasks.Settlement{Row: row, Verdict: tasks.Never(errors.New("gone for good"))})[0])
	return o, deathOf(row)
}

// deathOf is the alert that is owed should row die at its next try.
func deathOf(row tasks.Row) tasks.Key {
	row, _ = tasks.Never(nil).Next(row, time.Now())
	m, _ := tasks.Trouble(row, row.DeadAt)
	return m.Key
}

// gateway is an SMS gateway that answers each call with the next status, and
// the last of them from then on.
func (b *bench) gateway(answers ...int) (calls *atomic.Int32) {
	b.t.Helper()
	calls = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(answers[min(int(calls.Add(1)), len(answers))-1])
	}))
	b.t.Cleanup(server.Close)
	sms, err := alert.NewSMS(alert.Gateway{URL: server.URL + "?key=hush", Template: "{{.Text}}", ContentType: "text/plain", Secret: "s3cret"})
	require.NoError(b.t, err)
	b.t.Cleanup(sms.Close)
	b.deps.Alerts = alert.Senders{alert.Log{To: zap.NewNop()}, sms}
	return calls
}

func TestADeadTaskIsHeardOf(t *testing.T) {
	b := newBench(t)
	o, k := b.died()
	at := b.clock.now()
	b.clock.forward(30 * time.Hour) // everything of ours was away
	require.Equal(t, []string{"alert:send done"}, b.ran(k))
	b.gone(k)
	require.Empty(t, b.ran(k), "and once more, late")
	require.Len(t, b.pager.rung, 1)
	heard := b.pager.rung[0]
	require.Equal(t, k.Subject.String(), heard.id)
	require.Equal(t, tasks.AlertTaskDead, heard.Name)
	require.Equal(t, o.ID, heard.Order)
	require.True(t, at.Equal(heard.At), "it says when it happened, however late it is")
	require.Contains(t, heard.Text, "gone for good")
}

// Beside itself in other processes an alert may go out twice, under one id;
// never not at all.
func TestAnAlertBesideItself(t *testing.T) {
	b := newBench(t)
	_, k := b.died()
	ready := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		elsewhere := b.runner(tasks.AlertSend, newBusy())
		wg.Go(func() {
			<-ready
			for range 2 {
				if err := elsewhere.ProcessTask(b.ctx, bundleOf(k)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	close(ready)
	wg.Wait()
	b.gone(k)
	require.NotEmpty(t, b.pager.rung)
	for _, r := range b.pager.rung {
		require.Equal(t, b.pager.rung[0], r)
	}
}

func TestAGatewayThatFailsIsTriedAgain(t *testing.T) {
	b := newBench(t)
	_, k := b.died()
	calls := b.gateway(500, 302, 200)
	require.Equal(t, []string{"alert:send later"}, b.ran(k))
	row := b.row(k)
	require.Equal(t, 1, row.Attempts)
	require.Contains(t, row.LastError, "it answered 500 Internal Server Error")
	require.NotContains(t, row.LastError, "hush")
	require.WithinDuration(t, b.clock.now().Add(5*time.Second), row.DueAt, time.Second)

	b.due(k)
	require.Equal(t, []string{"alert:send later"}, b.ran(k))
	require.Contains(t, b.row(k).LastError, "redirects are not followed")
	b.due(k)
	require.Equal(t, []string{"alert:send done"}, b.ran(k))
	b.gone(k)
	require.EqualValues(t, 3, calls.Load())
}

func TestAnAlertThatNobodyTakesIsDeadAfterADay(t *testing.T) {
	b := newBench(t)
	_, k := b.died()
	b.pager.fail = errors.New("no such number")
	began := b.clock.now()
	for range mustSpec(tasks.AlertSend).Retry.Steps {
		require.Equal(t, []string{"alert:send later"}, b.ran(k))
		b.due(k)
	}
	require.InDelta(t, 24, b.clock.now().Sub(began).Hours(), 5)
	require.Equal(t, []string{"alert:send dead"}, b.ran(k))
	require.Contains(t, b.dead(k).LastError, "no such number")
	list, err := b.Tasks(b.ctx, tasks.Filter{State: tasks.Waiting, Kind: tasks.AlertSend, Limit: 10})
	require.NoError(t, err)
	require.Empty(t, list, "it makes no other")

	b.pager.fail = nil
	require.NoError(t, b.Requeue(b.ctx, k, "operator:alice", "mended", b.clock.now()))
	require.Equal(t, []string{"alert:send done"}, b.ran(k))
	b.gone(k)
}

func TestAPoisonedAlertIsForAnOperator(t *testing.T) {
	b := newBench(t)
	_, k := b.died()
	_, err := b.ExecContext(b.ctx, "UPDATE outbox SET payload = ? WHERE kind = ?", []byte(`{"name":7}`), tasks.AlertSend)
	require.NoError(t, err)
	require.Equal(t, []string{"alert:send dead"}, b.ran(k))
	require.Contains(t, b.dead(k).LastError, k.String()+": payload is not an alert")
	require.Empty(t, b.pager.rung)
}

// dies hands the workers a task that no try can help, and returns the alert
// that comes of it.
func (l *live) dies() tasks.Key {
	l.t.Helper()
	k := l.planted(tasks.RefundQuery, ident.New[struct{}]())
	alert := deathOf(l.row(k))
	l.dispatcher.Dispatch([]tasks.Key{k})
	return alert
}

// telephone is a gateway that rings until free is closed.
func (l *live) telephone() (entered, free chan struct{}) {
	l.t.Helper()
	url, entered, free := hangs(l.t)
	sms, err := alert.NewSMS(alert.Gateway{URL: url, Template: "{{.Text}}", ContentType: "text/plain"})
	require.NoError(l.t, err)
	l.t.Cleanup(sms.Close)
	l.deps.Alerts = sms
	return entered, free
}

func TestFromTheDeathToTheTelephone(t *testing.T) {
	l := newLive(t)
	entered, free := l.telephone()
	close(free) // it is taken up at once
	l.serve(Options{})
	k := l.dies()
	require.Equal(t, "dead", l.next(tasks.RefundQuery).outcome)
	soon(t, entered)
	require.Equal(t, "done", l.next(tasks.AlertSend).outcome)
	l.gone(k)
}

func TestBeingStoppedWhileAGatewayIsSlow(t *testing.T) {
	l := newLive(t)
	entered, free := l.telephone()
	k := l.stoppedMidway(entered, l.dies)
	close(free)
	l.serve(Options{})
	require.Equal(t, "done", l.next(tasks.AlertSend).outcome, "asynq gave the bundle back, and the next server does it")
	l.gone(k)
	require.Len(t, entered, 1, "the telephone rang once more")
}
