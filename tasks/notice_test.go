package tasks_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order/ordertest"
	"github.com/orderflow/orderflow/tasks"
)

// Whatever happens to an order: what its merchant is told somebody owes to tell,
// nothing else is owed to be told, and no two notices share an id but those of a
// refund that fails again.
func TestEveryNoticeHasItsTask(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		types := map[string]string{} // by id
		ordertest.Live(t, func(s ordertest.Step) {
			if !s.Moved() {
				return
			}
			for _, e := range s.After.Events() {
				n, tells := merchant.NoticeOf(s.After, e)
				owed, _ := tasks.DefaultTerms().Follow(s.After, e)
				owed = slices.DeleteFunc(owed, func(m tasks.Message) bool { return m.Kind != tasks.MerchantNotify && m.Kind != tasks.DeliveryNotify })
				if !tells {
					if len(owed) > 0 && !s.After.Delivery.Untold {
						t.Fatalf("%s is no notice, and owes %s", e.Type, owed[0].Key)
					}
					continue
				}
				if len(owed) != 1 || uuid.UUID(owed[0].Subject).String() != n.ID || !owed[0].Due.Equal(e.At) {
					t.Fatalf("%s is the notice %s %s, and owes %v", e.Type, n.Type, n.ID, owed)
				}
				if before, again := types[n.ID]; again && (before != n.Type || n.Type != merchant.RefundFailed) {
					t.Fatalf("%s has the id of a %s", n.Type, before)
				}
				types[n.ID] = n.Type
			}
		})
	})
}
