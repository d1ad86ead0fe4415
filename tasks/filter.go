package tasks

import "time"

// State is where a row stands, as operators ask for it.
type State string

// The states of a row. Waiting includes what is overdue.
const (
	Waiting State = "waiting" // alive, whether asynq has it already or not
	Overdue State = "overdue" // alive, and due for longer than OverdueAfter
	Dead    State = "dead"    // out of tries
)

// States lists every State.
func States() []State { return []State{Waiting, Overdue, Dead} }

// OverdueAfter is how long after its time a row counts as overdue: much longer
// than a healthy queue takes to get to it.
const OverdueAfter = 10 * time.Second

// Filter chooses rows; what is zero does not narrow. Those due first come
// first; of the dead, those that died first.
type Filter struct {
	State State // "" means Waiting
	Kind  Kind
	After Place // only rows after this place: that of the last row of the page before
	Limit int   // 1 to 200
}

// Place is where a row stands in a list.
type Place struct {
	At time.Time
	Key
}

// PlaceOf is where r stands in a list of its state.
func PlaceOf(r Row) Place {
	if !r.DeadAt.IsZero() {
		return Place{r.DeadAt, r.Key}
	}
	return Place{r.DueAt, r.Key}
}

// CountMost bounds what is counted: of the rows that wait, that were promoted
// and that are dead, the first CountMost each. A number that reaches it means
// "at least".
const CountMost = 50_000

// Count is how many rows of a kind there are.
type Count struct {
	Kind      Kind
	Waiting   int       // alive, not yet handed to asynq
	Promoted  int       // alive, handed to asynq
	Overdue   int       // of these two, due for longer than OverdueAfter
	Dead      int       // out of tries
	OldestDue time.Time // of the living; zero when there are none
}
