package producer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/tasks"
)

func TestMerchants(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	require.Equal(t, 60, d.store.orders[mustID(t, d.order().ID)].FeeBps)
	m := want[api.Merchant](d.call("operator", "PUT", "/v1/merchants/m_demo", `{"name":"Tea House","fee_bps":120}`), 200)
	require.Equal(t, "Tea House", m.Name)
	require.Equal(t, 120, d.store.orders[mustID(t, d.order().ID)].FeeBps, "a new fee holds for the next order")
	require.Zero(t, m.DeliverWithinSeconds, "the usual time")
	require.Equal(t, 48*time.Hour, d.store.orders[mustID(t, d.order().ID)].DeliverWithin)
	m = want[api.Merchant](d.call("operator", "PUT", "/v1/merchants/m_demo", `{"name":"Tea House","deliver_within_seconds":3600,"revoke_within_seconds":60}`), 200)
	require.Equal(t, []int64{3600, 60}, []int64{m.DeliverWithinSeconds, m.RevokeWithinSeconds})
	agreed := d.store.orders[mustID(t, d.order().ID)]
	require.Equal(t, []time.Duration{time.Hour, time.Minute}, []time.Duration{agreed.DeliverWithin, agreed.RevokeWithin})
	for _, field := range []string{"deliver_within_seconds", "revoke_within_seconds"} {
		for _, bad := range []string{"-1", "7776001", "1.5"} {
			p := d.call("operator", "PUT", "/v1/merchants/m_demo", `{"name":"T","`+field+`":`+bad+`}`).problem(api.Invalid)
			require.Equal(t, "body."+field, p.Errors[0].Location, bad)
		}
	}
	require.Equal(t, "body.fee_bps", d.call("operator", "PUT", "/v1/merchants/m_demo", `{"name":"T","fee_bps":10001}`).problem(api.Invalid).Errors[0].Location)
	require.Equal(t, "body.name", d.call("operator", "PUT", "/v1/merchants/m_demo", `{}`).problem(api.Invalid).Errors[0].Location)
}

func mustID(t testing.TB, s string) order.ID {
	t.Helper()
	id, err := order.ParseID(s)
	require.NoError(t, err)
	return id
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const path = "/v1/merchants/m_demo/endpoints"
	e := want[api.Endpoint](d.call("merchant", "POST", path, `{"url":"https://m.example/n","events":["order.paid"]}`), 201)
	require.Regexp(t, "^whsec_", e.Secret)
	require.Equal(t, []string{"order.paid"}, e.Events)

	list := d.call("merchant", "GET", path, "")
	require.NotContains(t, list.Body.String(), "whsec_", "the secret is shown once")
	require.Len(t, want[api.EndpointList](list, 200).Endpoints, 1)

	one := path + "/" + e.ID
	changed := d.call("merchant", "PUT", one, `{"url":"https://m.example/other","events":["order.*","refund.failed"]}`)
	require.NotContains(t, changed.Body.String(), "whsec_")
	require.Equal(t, []string{"order.*", "refund.failed"}, want[api.Endpoint](changed, 200).Events)
	require.Equal(t, "https://m.example/other", want[api.EndpointList](d.call("operator", "GET", path, ""), 200).Endpoints[0].URL)
	require.Empty(t, want[api.Endpoint](d.call("merchant", "PUT", one, `{"url":"https://m.example/n"}`), 200).Events, "all")
	require.Equal(t, []string{e.Secret}, d.store.endpoints[0].Secrets, "the secret stays")

	rotated := want[api.Endpoint](d.call("merchant", "POST", one+"/rotate", ""), 200)
	require.Regexp(t, "^whsec_", rotated.Secret)
	require.NotEqual(t, e.Secret, rotated.Secret)
	require.Equal(t, []string{rotated.Secret, e.Secret}, d.store.endpoints[0].Secrets, "both sign for a while")

	paused := d.call("merchant", "POST", one+"/pause", "")
	require.True(t, want[api.Endpoint](paused, 200).Paused)
	require.NotContains(t, paused.Body.String(), "whsec_")
	require.False(t, want[api.Endpoint](d.call("operator", "POST", one+"/resume", ""), 200).Paused)

	gone := d.call("merchant", "DELETE", one, "")
	require.Equal(t, 204, gone.Code)
	require.Empty(t, gone.Body.String())
	for _, m := range []string{"/rotate", "/pause", "/resume"} {
		d.call("merchant", "POST", one+m, "").problem(api.NotFound)
	}
	d.call("merchant", "PUT", one, `{"url":"https://m.example/n"}`).problem(api.NotFound)
	d.call("merchant", "DELETE", one, "").problem(api.NotFound)
	d.call("merchant", "DELETE", path+"/abc", "").problem(api.NotFound)
}

// A rotation is a day long unless something else is asked for, and goes on with
// the scheme that the endpoint has.
func TestRotation(t *testing.T) {
	t.Parallel()
	day := merchant.DefaultOverlap
	for name, c := range map[string]struct {
		had, body string
		scheme    merchant.Scheme
		overlap   time.Duration
	}{
		"as usual":         {"v1", "", merchant.V1, day},
		"an empty object":  {"v1", "{}", merchant.V1, day},
		"as it was":        {"v1a", "", merchant.V1A, day},
		"at once":          {"v1", `{"overlap_seconds":0}`, merchant.V1, 0},
		"seven days":       {"v1", `{"overlap_seconds":604800}`, merchant.V1, 7 * day},
		"to another":       {"v1", `{"signature":"v1a","overlap_seconds":60}`, merchant.V1A, time.Minute},
		"and back":         {"v1a", `{"signature":"v1"}`, merchant.V1, day},
		"a secret given":   {"v1", `{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, merchant.V1, day},
		"of another kind":  {"v1a", `{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, merchant.V1, day},
		"a key pair given": {"v1", `{"secret":"` + merchant.NewKeyPair() + `","signature":"v1a"}`, merchant.V1A, day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			const path = "/v1/merchants/m_demo/endpoints"
			e := want[api.Endpoint](d.call("merchant", "POST", path, `{"url":"https://m.example/n","signature":"`+c.had+`"}`), 201)
			require.Equal(t, c.had, e.Signature)
			answer := d.call("merchant", "POST", path+"/"+e.ID+"/rotate", c.body)
			require.NotContains(t, answer.Body.String(), "whsk_", "what is private stays here")
			after := want[api.Endpoint](answer, 200)
			require.Len(t, d.store.rotations, 1)
			r := d.store.rotations[0]
			require.Equal(t, c.overlap, r.Overlap)
			require.Equal(t, c.scheme, merchant.SchemeOf(r.Secret))
			require.Equal(t, string(c.scheme), after.Signature)
			require.Equal(t, merchant.PublicKey(r.Secret), after.PublicKey)
			if c.scheme == merchant.V1 {
				require.Equal(t, r.Secret, after.Secret)
			} else {
				require.Empty(t, after.Secret)
			}
			if strings.Contains(c.body, "secret") {
				require.Contains(t, c.body, r.Secret)
			}
			if c.overlap == 0 {
				require.Zero(t, after.PreviousUntil)
			} else {
				require.True(t, after.PreviousUntil.Equal(r.At.Add(c.overlap)))
			}
			list := d.call("merchant", "GET", path, "")
			require.NotContains(t, list.Body.String(), "whsec_")
			require.Equal(t, after.PublicKey, want[api.EndpointList](list, 200).Endpoints[0].PublicKey)
		})
	}
}

func TestRotationsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const path = "/v1/merchants/m_demo/endpoints"
	e := want[api.Endpoint](d.call("merchant", "POST", path, `{"url":"https://m.example/n"}`), 201)
	one := path + "/" + e.ID + "/rotate"
	for body, where := range map[string]string{
		`{"overlap_seconds":-1}`:     "body.overlap_seconds",
		`{"overlap_seconds":604801}`: "body.overlap_seconds",
		`{"overlap_seconds":1.5}`:    "body.overlap_seconds",
		`{"signature":"v2"}`:         "body.signature",
		`{"secret":"whsec_hush"}`:    "body.secret",
		`{"secret":"whsk_hush"}`:     "body.secret",
		`{"overlap":60}`:             "body.overlap",
		`{"signature":"v1a","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`: "body.signature",
	} {
		answer := d.call("merchant", "POST", one, body)
		require.Equal(t, where, answer.problem(api.Invalid).Errors[0].Location, body)
		require.NotContains(t, answer.Body.String(), "hush")
		require.NotContains(t, answer.Body.String(), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	}
	require.Empty(t, d.store.rotations)
	d.call("merchant", "POST", "/v1/merchants/m_other/endpoints/"+e.ID+"/rotate", "").problem(api.NotFound)
	d.call("app", "POST", one, "").problem(api.Forbidden)

	d.store.keyless = true
	for call, body := range map[string]string{one: "", path: `{"url":"https://m.example/n"}`} {
		p := d.call("merchant", "POST", call, body).problem(api.NotAllowed)
		require.Contains(t, p.Detail, "no key to encrypt it with", call)
	}
}

func TestEndpointsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for body, where := range map[string]string{
		`{"url":"http://m.example"}`:                   "body.url",
		`{"url":"https://127.0.0.1/"}`:                 "body.url",
		`{"url":"https://m.example:8443/"}`:            "body.url",
		`{"url":""}`:                                   "body.url",
		`{"url":"https://m.example","events":[""]}`:    "body.events[0]",
		`{"url":"https://m.example","events":["a\n"]}`: "body.events[0]",

		`{"url":"https://m.example","events":["order.paid","order.payed"]}`: "body.events[1]",
		`{"url":"https://m.example","events":["*"]}`:                        "body.events[0]",
		`{"url":"https://m.example","events":["order.p*"]}`:                 "body.events[0]",
		`{"url":"https://m.example","events":["invoice.*"]}`:                "body.events[0]",

		`{"url":"https://m.example","ack":"200"}`:                                          "body.ack",
		`{"url":"https://m.example","ack":"SUCCESS"}`:                                      "body.ack",
		`{"url":"https://m.example","retry_schedule":[0]}`:                                 "body.retry_schedule",
		`{"url":"https://m.example","retry_schedule":[5,86401]}`:                           "body.retry_schedule",
		`{"url":"https://m.example","retry_schedule":[9223372036854775807]}`:               "body.retry_schedule",
		`{"url":"https://m.example","retry_schedule":[1.5]}`:                               "body.retry_schedule[0]",
		`{"url":"https://m.example","retry_schedule":5}`:                                   "body.retry_schedule",
		`{"url":"https://m.example","retry_schedule":[1` + strings.Repeat(",1", 20) + `]}`: "body.retry_schedule",
	} {
		p := d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints", body).problem(api.Invalid)
		require.Equal(t, where, p.Errors[0].Location, body)
	}
	require.Empty(t, d.store.endpoints)

	e := want[api.Endpoint](d.call("merchant", "POST", "/v1/merchants/m_demo/endpoints", `{"url":"https://m.example","events":["refund.*"]}`), 201)
	p := d.call("merchant", "PUT", "/v1/merchants/m_demo/endpoints/"+e.ID, `{"url":"https://m.example","events":["order.payed"]}`).problem(api.Invalid)
	require.Equal(t, "want one of: order.paid, order.closed, order.delivery_overdue, order.revoke_requested, order.completed, refund.succeeded, refund.failed, "+
		"endpoint.failing, endpoint.paused, endpoint.disabled, endpoint.recovered, order.*, refund.*, endpoint.*", p.Errors[0].Message)
	require.Equal(t, []string{"refund.*"}, d.store.endpoints[0].Events)
	d.call("other", "PUT", "/v1/merchants/m_demo/endpoints/"+e.ID, `{"url":"https://m.example"}`).problem(api.NotFound)
	d.call("merchant", "PUT", "/v1/merchants/m_demo/endpoints/"+e.ID, `{"url":"https://m.example","signature":"v1a"}`).problem(api.Invalid) // that is a rotation
	d.call("operator", "POST", "/v1/merchants/m_none/endpoints", `{"url":"https://m.example"}`).problem(api.NotFound)
}

// How an endpoint acknowledges, and when it is tried again, is as usual unless
// something is said, when it is made and when it is changed.
func TestAckModesAndSchedules(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const path = "/v1/merchants/m_demo/endpoints"
	usual := want[api.Endpoint](d.call("merchant", "POST", path, `{"url":"https://m.example"}`), 201)
	require.Equal(t, "2xx", usual.Ack)
	require.Empty(t, usual.RetrySchedule)
	for _, mode := range merchant.AckModes() {
		e := want[api.Endpoint](d.call("merchant", "POST", path, `{"url":"https://m.example","ack":"`+string(mode)+`","retry_schedule":[1,60,86400]}`), 201)
		require.Equal(t, string(mode), e.Ack)
		require.Equal(t, []int64{1, 60, 86400}, e.RetrySchedule)
		kept := d.store.endpoints[len(d.store.endpoints)-1]
		require.Equal(t, mode, kept.Ack)
		require.Equal(t, merchant.Schedule{time.Second, time.Minute, 24 * time.Hour}, kept.Schedule)
	}
	one := path + "/" + usual.ID
	changed := want[api.Endpoint](d.call("merchant", "PUT", one, `{"url":"https://m.example","ack":"code-success","retry_schedule":[7]}`), 200)
	require.Equal(t, []any{"code-success", []int64{7}}, []any{changed.Ack, changed.RetrySchedule})
	require.Equal(t, changed, want[api.EndpointList](d.call("operator", "GET", path, ""), 200).Endpoints[0])
	changed = want[api.Endpoint](d.call("merchant", "PUT", one, `{"url":"https://m.example","retry_schedule":[]}`), 200)
	require.Equal(t, []any{"2xx", []int64(nil)}, []any{changed.Ack, changed.RetrySchedule})
	p := d.call("merchant", "PUT", one, `{"url":"https://m.example","retry_schedule":[5,0]}`).problem(api.Invalid)
	require.Equal(t, "wait 2 is 0s: want whole seconds, from 1 second to 24 hours", p.Errors[0].Message)
}

func TestTasks(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	now := time.Now().UTC().Truncate(time.Microsecond)
	for i := range 3 {
		d.store.tasks = append(d.store.tasks, tasks.Row{Key: tasks.About(tasks.OrderClose, ident.New[order.Order]()), DueAt: now.Add(time.Duration(i) * time.Second), CreatedAt: now})
	}
	attempt := ident.WithPart[order.Attempt](ident.New[order.Order](), 1)
	d.store.tasks = append(d.store.tasks, tasks.Row{Key: tasks.About(tasks.PaymentQuery, attempt), DueAt: now, DeadAt: now, Attempts: 9, LastError: "no answer", CreatedAt: now})

	first := want[api.TaskList](d.call("operator", "GET", "/v1/tasks?limit=2", ""), 200)
	require.Len(t, first.Tasks, 2)
	rest := want[api.TaskList](d.call("operator", "GET", "/v1/tasks?limit=2&cursor="+first.NextCursor, ""), 200)
	require.Len(t, rest.Tasks, 1)
	require.Empty(t, rest.NextCursor)
	require.NotContains(t, first.Tasks, rest.Tasks[0])

	dead := want[api.TaskList](d.call("operator", "GET", "/v1/tasks?state=dead&kind=payment:query", ""), 200)
	require.Equal(t, []api.Task{{
		Kind: "payment:query", Subject: attempt.String(), OrderID: order.Family(attempt).String(), DueAt: now, DeadAt: now, CreatedAt: now,
		Attempts: 9, LastError: "no answer",
	}}, dead.Tasks)
	for _, q := range []string{"state=lost", "kind=no:kind", "limit=200", "cursor=abc"} {
		d.call("operator", "GET", "/v1/tasks?"+q, "").problem(api.Invalid)
	}

	alert := tasks.AlertOf("x", tasks.Alert{Name: "x", Order: order.Family(attempt), Text: "x", At: now})
	d.store.tasks = append(d.store.tasks, tasks.Row{Key: alert.Key, Payload: alert.Payload, DueAt: now, DeadAt: now, CreatedAt: now})
	dead = want[api.TaskList](d.call("operator", "GET", "/v1/tasks?state=dead&kind=alert:send", ""), 200)
	require.Equal(t, []api.Task{{Kind: "alert:send", Subject: alert.Subject.String(), DueAt: now, DeadAt: now, CreatedAt: now}}, dead.Tasks, "it is a row of no order")
	require.Equal(t, 204, d.call("operator", "POST", "/v1/tasks/alert:send/"+alert.Subject.String()+"/requeue", "").Code)
	require.Equal(t, 204, d.call("operator", "POST", "/v1/tasks/payment:query/"+attempt.Compact()+"/requeue", "").Code)
	require.Empty(t, want[api.TaskList](d.call("operator", "GET", "/v1/tasks?state=dead", ""), 200).Tasks)
	again := "/v1/tasks/payment:query/" + attempt.String() + "/requeue"
	require.Equal(t, 204, d.call("operator", "POST", again, `{"note":"the channel is back"}`).Code)
	require.Equal(t, []string{"operator:alice: by hand", "operator:alice: by hand", "operator:alice: the channel is back"}, d.store.requeued)
	for body, where := range map[string]string{
		`{}`: "body.note", `{"note":""}`: "body.note", `{"note":" "}`: "body.note", `{"note":"a\nb"}`: "body.note", `{"why":"x"}`: "body.note", `null`: "body", `[]`: "body",
	} {
		require.Equal(t, where, d.call("operator", "POST", again, body).problem(api.Invalid).Errors[0].Location, body)
	}
	d.call("operator", "POST", again, "{").problem(api.Malformed)
	d.call("operator", "POST", again, `{"note":"x"}`, "Content-Type", "text/plain").problem(api.NotJSON)
	require.Len(t, d.store.requeued, 3)
	d.call("operator", "POST", "/v1/tasks/order:close/"+attempt.String()+"/requeue", "").problem(api.NotFound)
	d.call("operator", "POST", "/v1/tasks/payment:query/abc/requeue", "").problem(api.NotFound)
}
