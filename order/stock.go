package order

// StockMove is what an event does to the stock of one SKU of the order's
// merchant. Quantity is always positive.
type StockMove struct {
	SKU      string
	Kind     StockKind
	Quantity int64
}

// StockKind says how stock moves. An order moves a SKU at most once each way.
type StockKind string

// The ways stock moves.
const (
	StockHold    StockKind = "hold"    // held += q
	StockRelease StockKind = "release" // held -= q
	StockConsume StockKind = "consume" // held -= q, on_hand -= q
	StockRestock StockKind = "restock" // on_hand += q
)

// StockMoves are the movements that an event of o stands for, one per tracked
// SKU, in SKU order.
func StockMoves(o *Order, e Event) []StockMove {
	switch e.Type {
	case EventCreated:
		return o.moves(StockHold)
	case EventClosed:
		return o.moves(StockRelease)
	case EventPaid:
		return o.moves(StockConsume)
	case EventRefunded:
		if o.Delivery.goodsAreThere() {
			return o.moves(StockRestock)
		}
	}
	return nil
}

// goodsAreThere says that the merchant's own word is that the goods did not
// leave.
func (d *Delivery) goodsAreThere() bool {
	stopped := d.Status == DeliveryFailed || d.Status == DeliveryRevoked && !d.Unanswered
	return stopped && d.ClaimAt.IsZero()
}

func (o *Order) moves(kind StockKind) []StockMove {
	var moves []StockMove
next:
	for _, it := range o.Items {
		if !it.Tracked {
			continue
		}
		for i := range moves {
			if moves[i].SKU == it.SKU {
				moves[i].Quantity += it.Quantity
				continue next
			}
		}
		moves = append(moves, StockMove{it.SKU, kind, it.Quantity})
	}
	return moves
}
