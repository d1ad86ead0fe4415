package producer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

func TestAnEndpointIsRecovered(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	d := newDoor(t, func(o *producer.Options) { o.Now = func() time.Time { return now } })
	e, _ := d.told()
	path := "/v1/merchants/m_demo/endpoints/" + e.ID + "/recover"
	const since = `{"since":"2026-03-01T17:30:00+08:00"}`

	for body, where := range map[string]string{
		`{}`:                               "body.since",
		`{"since":"yesterday"}`:            "body.since",
		`{"since":"2026-01-30T00:00:00Z"}`: "body.since",
		`{"since":"2026-03-02T10:00:00Z"}`: "body.since",
		`{"since":"2026-03-01T00:00:00Z","until":"2026-02-01T00:00:00Z"}`: "body.since",
		`{"since":"2026-03-01T00:00:00Z","until":1}`:                      "body.until",
		`{"since":"2026-03-01T00:00:00Z","al":true}`:                      "body.al",
	} {
		require.Equal(t, where, d.call("merchant", "POST", path, body).problem(api.Invalid).Errors[0].Location, body)
	}
	require.Empty(t, d.store.recoveries, "nothing has changed")

	r := want[api.Recovery](d.call("merchant", "POST", path, since), 202)
	require.Equal(t, "running", r.State)
	require.Equal(t, "merchant:m_demo", r.Actor)
	require.Equal(t, []time.Time{now.Add(-24 * time.Hour), now, now}, []time.Time{r.Since, r.Until, r.CreatedAt})
	p := d.call("operator", "POST", path, since).problem(api.RecoveryRunning)
	require.Equal(t, r.ID, p.RecoveryID)

	d.store.recoveries[0].Total, d.store.recoveries[0].Checked, d.store.recoveries[0].Queued, d.store.recoveries[0].Delivered, d.store.recoveries[0].Waiting = 100, 90, 50, 30, 15
	is := want[api.Recovery](d.call("merchant", "GET", "/v1/recoveries/"+r.ID, ""), 200)
	require.Equal(t, []int64{100, 90, 50, 30, 15, 0, 5}, []int64{*is.Total, is.Checked, is.Queued, is.Delivered, is.Waiting, is.Failed, is.Dropped})
	d.store.recoveries[0].Total = -1
	d.store.recoveries[0].Reason = merchant.Held
	require.Equal(t, "held", want[api.Recovery](d.call("merchant", "GET", "/v1/recoveries/"+r.ID, ""), 200).Reason)
	require.Nil(t, want[api.Recovery](d.call("merchant", "GET", "/v1/recoveries/"+r.ID, ""), 200).Total, "too many to count")

	for _, missing := range []string{ident.New[merchant.Recovery]().String(), "x"} {
		d.call("operator", "GET", "/v1/recoveries/"+missing, "").problem(api.NotFound)
		d.call("operator", "POST", "/v1/recoveries/"+missing+"/cancel", "").problem(api.NotFound)
	}
	d.call("other", "GET", "/v1/recoveries/"+r.ID, "").problem(api.NotFound)
	d.call("other", "POST", "/v1/recoveries/"+r.ID+"/cancel", "").problem(api.NotFound)
	d.call("other", "POST", path, since).problem(api.NotFound)
	d.call("merchant", "POST", strings.Replace(path, e.ID, ident.New[merchant.Endpoint]().String(), 1), since).problem(api.NotFound)
	d.call("app", "GET", "/v1/recoveries/"+r.ID, "").problem(api.Forbidden)
	require.Equal(t, merchant.RecoveryRunning, d.store.recoveries[0].State)

	for range 2 {
		require.Equal(t, "cancelled", want[api.Recovery](d.call("merchant", "POST", "/v1/recoveries/"+r.ID+"/cancel", ""), 200).State)
	}
	second := want[api.Recovery](d.call("merchant", "POST", path, `{"since":"2026-03-01T00:00:00Z","until":"2026-03-01T12:00:00Z","all":true}`), 202)
	require.True(t, second.All)
	require.Equal(t, 12, second.Until.Hour())
	d.store.recoveries[0].State = merchant.RecoveryDone
	d.store.disabled = true
	require.Contains(t, d.call("operator", "POST", path, since).problem(api.NotAllowed).Detail, "resume it first")
	require.Contains(t, d.call("merchant", "POST", "/v1/recoveries/"+second.ID+"/cancel", "").problem(api.NotAllowed).Detail, "it is done")

	first := want[api.RecoveryPage](d.call("merchant", "GET", "/v1/merchants/m_demo/recoveries?limit=1", ""), 200)
	require.Equal(t, second.ID, first.Recoveries[0].ID)
	rest := want[api.RecoveryPage](d.call("operator", "GET", "/v1/merchants/m_demo/recoveries?limit=1&cursor="+first.NextCursor, ""), 200)
	require.Equal(t, r.ID, rest.Recoveries[0].ID)
	require.Empty(t, rest.NextCursor)
	require.Equal(t, "query.cursor", d.call("merchant", "GET", "/v1/merchants/m_demo/recoveries?cursor=x", "").problem(api.Invalid).Errors[0].Location)
	require.NotNil(t, want[map[string]any](d.call("other", "GET", "/v1/merchants/m_other/recoveries", ""), 200)["recoveries"])
	d.call("other", "GET", "/v1/merchants/m_demo/recoveries", "").problem(api.NotFound)
}
