package producer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/producer/api"
)

func TestAMerchantFetchesWhatWaits(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	e, told := d.told()
	body := `{"type":"order.paid","data":{"note":"<b>& 汉é"}}`
	for i, n := range told[:3] {
		u := merchant.Undelivered{Notice: n.Notice, CreatedAt: n.CreatedAt, WaitsFrom: n.CreatedAt.Add(time.Duration(i) * time.Hour * 2), Reason: merchant.Held, Attempts: i, LastError: "why"}
		u.Body = []byte(body)
		d.store.undelivered = append(d.store.undelivered, u)
	}
	path := "/v1/merchants/m_demo/endpoints/" + e.ID + "/undelivered"

	a := d.call("merchant", "GET", path+"?limit=2", "")
	first := want[api.UndeliveredPage](a, 200)
	require.Contains(t, a.Body.String(), body, "to the byte")
	require.Len(t, first.Notices, 2)
	require.Equal(t, told[0].ID, first.Notices[0].ID)
	require.Equal(t, "held", first.Notices[1].Reason)
	rest := want[api.UndeliveredPage](d.call("operator", "GET", path+"?limit=2&after="+first.NextCursor, ""), 200)
	require.Len(t, rest.Notices, 1)
	require.Empty(t, rest.NextCursor)

	ack := func(ids ...string) string { return `{"ids":["` + strings.Join(ids, `","`) + `"]}` }
	before := d.store.undelivered
	require.Equal(t, "body.ids[1]", d.call("merchant", "POST", path+"/ack", ack(told[0].ID, ident.New[merchant.Notice]().String())).problem(api.Invalid).Errors[0].Location)
	for _, bad := range []string{`{}`, `{"ids":[]}`, `{"ids":[1]}`, ack(strings.Repeat("x", 37)), ack(strings.Split(strings.Repeat("x,", 200)+"x", ",")...)} {
		d.call("merchant", "POST", path+"/ack", bad).problem(api.Invalid)
	}
	require.Equal(t, before, d.store.undelivered, "nothing has changed")
	require.Equal(t, 2, want[api.Acknowledged](d.call("merchant", "POST", path+"/ack", ack(told[0].ID, told[1].ID)), 200).Acknowledged)
	require.Zero(t, want[api.Acknowledged](d.call("merchant", "POST", path+"/ack", ack(told[0].ID, told[1].ID)), 200).Acknowledged, "twice is once")
	require.Len(t, want[api.UndeliveredPage](d.call("merchant", "GET", path, ""), 200).Notices, 1)

	require.Equal(t, "query.after", d.call("merchant", "GET", path+"?after=x", "").problem(api.Invalid).Errors[0].Location)
	for _, elsewhere := range []string{strings.Replace(path, e.ID, ident.New[merchant.Endpoint]().String(), 1), strings.Replace(path, e.ID, "x", 1)} {
		d.call("merchant", "GET", elsewhere, "").problem(api.NotFound)
		d.call("merchant", "POST", elsewhere+"/ack", ack(told[2].ID)).problem(api.NotFound)
	}
	for _, theirs := range []string{path, strings.Replace(path, "m_demo", "m_other", 1)} {
		d.call("other", "GET", theirs, "").problem(api.NotFound)
		d.call("other", "POST", theirs+"/ack", ack(told[2].ID)).problem(api.NotFound)
	}
	d.call("app", "GET", path, "").problem(api.Forbidden)
}
