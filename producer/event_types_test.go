package producer_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order/ordertest"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/producer/producertest"
)

func TestTheExamplesAreAsTheirSchemas(t *testing.T) {
	t.Parallel()
	all := producertest.NewSchemas(t)
	for _, e := range producer.EventTypes() {
		require.NoError(t, all.Validate(e.Name, e.Example), e.Name)
		for _, bad := range []string{
			`{}`, `[]`, `{"type":"` + e.Name + `","timestamp":"2026-03-02T09:30:00Z","data":{}}`,
			string(bytes.Replace(e.Example, []byte(e.Name), []byte("order.eaten"), 1)),
			string(bytes.Replace(e.Example, []byte(`"timestamp":"2026-`), []byte(`"timestamp":"at `), 1)),
		} {
			require.Error(t, all.Validate(e.Name, []byte(bad)), "%s: %s", e.Name, bad)
		}
		more := bytes.Replace(e.Example, []byte(`"data":{`), []byte(`"new":1,"data":{"newer":2,`), 1)
		require.NoError(t, all.Validate(e.Name, more), "%s: a field that is yet to come", e.Name)
	}
}

// Whatever happens to an order, what is written of it is as its schema says.
func TestEveryBodyIsAsItsSchema(t *testing.T) {
	t.Parallel()
	all := producertest.NewSchemas(t)
	rapid.Check(t, func(t *rapid.T) {
		ordertest.Live(t, func(s ordertest.Step) {
			if !s.Moved() {
				return
			}
			for _, e := range s.After.Events() {
				n, tells := merchant.NoticeOf(s.After, e)
				if !tells {
					continue
				}
				if err := all.Validate(n.Type, n.Body); err != nil {
					t.Fatalf("%s: %v\n%s", n.Type, err, n.Body)
				}
			}
		})
	})
}

func TestEventTypesAreServed(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	list := want[api.EventTypeList](d.call("merchant", "GET", "/v1/event-types", ""), 200).EventTypes
	require.Len(t, list, len(merchant.Catalogue()))
	for i, e := range merchant.Catalogue() {
		require.Equal(t, e.Name, list[i].Name)
		require.Equal(t, e.When, list[i].Description)
		one := want[api.EventType](d.call("app", "GET", "/v1/event-types/"+e.Name, ""), 200)
		require.Equal(t, list[i], one)
		require.JSONEq(t, string(e.Example), string(one.Example))
	}
	d.call("operator", "GET", "/v1/event-types/order.eaten", "").problem(api.NotFound)
	d.call("", "GET", "/v1/event-types", "").problem(api.Unauthenticated)
}
