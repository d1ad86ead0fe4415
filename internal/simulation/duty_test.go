package simulation

import (
	"context"
	"errors"
	"sync"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// duty is the telephone of whoever is on duty. Every third call does not get
// through.
type duty struct {
	mu    sync.Mutex
	calls int
	heard map[order.ID]map[tasks.AlertName]bool
}

func newDuty() *duty { return &duty{heard: map[order.ID]map[tasks.AlertName]bool{}} }

// Send rings.
func (d *duty) Send(_ context.Context, _ string, a tasks.Alert) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls++; d.calls%3 == 0 {
		return errors.New("no signal")
	}
	if d.heard[a.Order] == nil {
		d.heard[a.Order] = map[tasks.AlertName]bool{}
	}
	d.heard[a.Order][a.Name] = true
	return nil
}
