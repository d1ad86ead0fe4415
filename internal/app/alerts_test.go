package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/tasks"
)

// sms is a gateway that hands each text on, and answers each with a status that
// it is given.
func sms(t *testing.T) (to config.SMS, texts chan string, answers chan int) {
	t.Helper()
	texts, answers = make(chan string, 10), make(chan int, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		texts <- r.Header.Get("Authorization") + " " + r.Header.Get("Idempotency-Key") + " " + string(body)
		w.WriteHeader(<-answers)
	}))
	t.Cleanup(server.Close)
	return config.SMS{URL: server.URL + "/send?key=hush", To: "duty", Template: "{{.To}}: {{.Text}}", ContentType: "text/plain", Secret: "s3cret"}, texts, answers
}

func (m *market) text(from <-chan string) string {
	m.Helper()
	select {
	case s := <-from:
		return s
	case <-time.After(patience):
		m.Fatal("the telephone does not ring")
		return ""
	}
}

// A task dies, the gateway is out of order, and somebody is woken all the same.
func TestADeadTaskWakesWhoeverIsOnDuty(t *testing.T) {
	t.Parallel()
	to, texts, answers := sms(t)
	m := openMarket(t, func(c *config.Config) { c.Alert.SMS = to })
	refund := ident.New[struct{}]().String()
	_, err := m.db.ExecContext(t.Context(), "INSERT INTO outbox (kind, subject, due_at, created_at) VALUES ('refund:query', ?, now(), now())", refund)
	require.NoError(t, err)

	answers <- http.StatusInternalServerError
	first := m.text(texts)
	require.Contains(t, first, "duty: Task refund:query of order "+refund+" is dead after try 1: refund ")
	require.Contains(t, first, "orderflow task requeue refund:query "+refund)
	var waiting *api.TaskList
	m.until("the alert is to be tried again", func() bool {
		waiting, err = m.operator.Tasks(t.Context(), api.TaskFilter{State: "waiting", Kind: "alert:send"})
		require.NoError(t, err)
		return len(waiting.Tasks) == 1 && waiting.Tasks[0].Attempts == 1
	})
	alert := waiting.Tasks[0]
	require.Empty(t, alert.OrderID)
	require.Contains(t, alert.LastError, "it answered 500 Internal Server Error")
	require.NotContains(t, alert.LastError, "hush")
	require.Contains(t, first, "Bearer s3cret "+alert.Subject)

	answers <- http.StatusOK
	a := m.send(http.MethodPost, m.cfg.BaseURL()+"/v1/tasks/alert:send/"+alert.Subject+"/requeue", "", "Authorization", "Bearer "+devOperatorKey)
	require.Equal(t, http.StatusNoContent, a.status, a.body)
	require.Equal(t, first, m.text(texts), "the same alert, under the same id")
	m.until("it is sent", func() bool { return m.number("SELECT count(*) FROM outbox WHERE kind = ?", tasks.AlertSend) == 0 })
	a = m.send(http.MethodGet, m.cfg.BaseURL()+"/metrics", "", "Authorization", "Bearer "+devOperatorKey)
	require.Contains(t, a.body, `orderflow_alerts_total{name="task_dead"} 1`)
}

func TestAWrongTemplateStopsTheStart(t *testing.T) {
	t.Parallel()
	to, _, _ := sms(t)
	to.Template = "{{.Buyer}}"
	m := newMarket(t)
	cfg := m.cfg
	cfg.Alert.SMS = to
	_, err := Start(t.Context(), cfg, zap.NewNop(), Extras{FixedKeys: true})
	require.ErrorContains(t, err, "alert.sms: its template: ")
	cfg.Roles = config.Roles{config.API}
	a, err := Start(t.Context(), cfg, zap.NewNop(), Extras{FixedKeys: true})
	require.NoError(t, err, "who sends none does not care")
	a.Stop()
}

func TestTheDoctorMissesAPaymentChannel(t *testing.T) {
	t.Parallel()
	cfg := settings(t, "postgres://127.0.0.1:1/none", "redis://127.0.0.1:1")
	misses := func() bool {
		return slices.ContainsFunc(Diagnose(t.Context(), cfg, false), func(d Diagnosis) bool { return d.What == "payment channels" && d.Advice != "" })
	}
	cfg.Sandbox.Enabled = true
	require.False(t, misses())
	cfg.Sandbox.Enabled = false
	require.True(t, misses())
	cfg.Roles = config.Roles{config.Monitor}
	require.False(t, misses(), "it takes no payment")
}

func TestTheDoctorSaysWhomAnAlertReaches(t *testing.T) {
	t.Parallel()
	cfg := settings(t, "postgres://127.0.0.1:1/none", "redis://127.0.0.1:1")
	found := func(what string) Diagnosis {
		t.Helper()
		for _, d := range Diagnose(t.Context(), cfg, false) {
			if d.What == what {
				return d
			}
		}
		require.Fail(t, "not looked at", what)
		return Diagnosis{}
	}
	none := found("alert.sms.url")
	require.Contains(t, none.Found, "alerts are in the log only")
	require.Empty(t, none.Advice, "a choice is no fault")

	cfg.Alert.SMS = config.SMS{URL: "https://sms.example.com/bot-hush?key=hush", Template: "{{.Text}}", ContentType: "text/plain", Secret: "hush"}
	require.Equal(t, Diagnosis{What: "alert.sms", Found: "alerts go to the log and to https://sms.example.com/(hidden)"}, found("alert.sms"))

	cfg.Alert.SMS.Template = "{{.Text"
	wrong := found("alert.sms")
	require.Contains(t, wrong.Found, "unclosed action")
	require.NotEmpty(t, wrong.Advice)
}
