package db_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
)

// A merchant who fetches is answered from what is owed, by keys: neither all that he
// was ever told is read, nor all that is owed of other kinds.
func TestWhatIsFetchedIsFoundByKeys(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	e := merchant.Endpoint{ID: ident.New[merchant.Endpoint](), MerchantID: "m_1", URL: "https://shop.test/", Secrets: []string{merchant.NewSecret()}}
	_, err := d.PutMerchant(ctx, merchant.Merchant{ID: "m_1"})
	require.NoError(t, err)
	require.NoError(t, d.CreateEndpoint(ctx, e))
	const id = `(lpad(to_hex(n), 30, '0') || '80')::uuid`
	run(t, d, `INSERT INTO notices (id, merchant_id, type, body, created_at) SELECT `+id+`, CASE WHEN n % 20 = 1 THEN 'm_2' ELSE 'm_1' END, 'order.paid', '{}', ?0 FROM generate_series(1, 30000) n`, nine)
	run(t, d, `INSERT INTO notice_attempts (notice_id, endpoint_id, at, ok, http_status, duration_ms) SELECT id, ?0, ?1, true, 200, 1 FROM notices WHERE merchant_id = 'm_1'`, e.ID, nine)
	run(t, d, `INSERT INTO outbox (kind, subject, due_at, created_at) SELECT 'order:close', `+id+`, ?0, ?0 FROM generate_series(1, 30000) n`, nine)
	run(t, d, `INSERT INTO outbox (kind, subject, due_at, created_at) SELECT 'delivery:notify', id, ?0, ?0 FROM notices WHERE merchant_id = 'm_2'`, nine)
	run(t, d, `INSERT INTO notices (id, merchant_id, type, body, created_at) VALUES (?0, 'm_1', 'order.paid', '{"a": 1}', ?1)`, "ffffffff-0000-7000-8000-000000000080", nine)
	run(t, d, `INSERT INTO outbox (kind, subject, due_at, created_at) VALUES ('delivery:notify', ?0, ?1, ?1)`, "ffffffff-0000-7000-8000-000000000080", nine)
	f := merchant.UndeliveredFilter{MerchantID: "m_1", Endpoint: e.ID, Limit: 50}
	run(t, d, "ANALYZE")
	var lines []string
	require.NoError(t, d.NewRaw("EXPLAIN "+d.UndeliveredQuery(f)).Scan(ctx, &lines))
	plan := strings.Join(lines, "\n")
	for _, by := range []string{"Index Cond: (kind = ANY ('{delivery:notify,merchant:notify}'::text[]))", "Index Cond: (id = o.subject)", "Index Cond: ((notice_id = notices.id) AND (endpoint_id ="} {
		require.Contains(t, plan, by)
	}
	for _, whole := range []string{"Seq Scan on outbox", "Seq Scan on notices_default", "Seq Scan on notice_attempts_default", "merchant_id_created_at"} {
		require.NotContains(t, plan, whole)
	}
	list, err := d.Undelivered(ctx, f)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.JSONEq(t, `{"a": 1}`, string(list[0].Body))
}
