package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/orderflow/orderflow/order"
)

// kinds are the patterns of every sort of order.
type kinds struct {
	endings []endingPatterns
	quick   time.Duration // how long the longest quick life lasts
	waiting []*pattern
}

type endingPatterns struct {
	ending
	patterns, quickly []*pattern // one a basket
}

// makeKinds makes the patterns of what there is to be of each.
func makeKinds(ctx context.Context, w *workshop, old oldOrders, wait waitingOrders) (*kinds, error) {
	k := &kinds{}
	var wanted []ending
	if old.count > 0 {
		wanted = endings()
	}
	for _, e := range wanted {
		p := endingPatterns{ending: e}
		for _, of := range []struct {
			steps []step
			list  *[]*pattern
		}{{e.life, &p.patterns}, {e.quick, &p.quickly}} {
			for _, items := range baskets() {
				made, err := w.made(ctx, of.steps, items)
				if err == nil && made.owes > 0 {
					err = fmt.Errorf("it is not at rest: it still owes %d tasks", made.owes)
				}
				if err != nil {
					return nil, fmt.Errorf("make an order that is %s: %w", e.name, err)
				}
				*of.list = append(*of.list, made)
			}
		}
		for _, made := range p.quickly {
			k.quick = max(k.quick, made.lasts)
		}
		k.endings = append(k.endings, p)
	}
	if wait.count == 0 {
		return k, nil
	}
	steps, of := waiting(wait.channel, wait.window), baskets()
	if wait.life != nil {
		steps, of = wait.life, of[:1]
	}
	for _, items := range of {
		made, err := w.made(ctx, steps, items)
		if err != nil {
			return nil, fmt.Errorf("make an order that waits: %w", err)
		}
		k.waiting = append(k.waiting, made)
	}
	return k, nil
}

// old chooses the life of an order of that age.
func (k *kinds) old(random *rand.Rand, age time.Duration) (ending string, p *pattern) {
	e := k.chance(random.IntN(1000))
	basket := random.IntN(len(e.patterns))
	if p = e.patterns[basket]; p.lasts > age {
		p = e.quickly[basket]
	}
	return e.name, p
}

func (k *kinds) chance(n int) *endingPatterns {
	for i := range k.endings {
		if n -= k.endings[i].share; n < 0 {
			return &k.endings[i]
		}
	}
	panic("bench: the endings' shares are of a thousand")
}

// names is a list of columns, for a statement.
func names(columns []column) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.name
	}
	return strings.Join(list, ", ")
}

// between puts the first and the last id of an order's family in a condition.
func between(where string, id order.ID) string {
	last := id
	last[15] = 0xff
	return strings.NewReplacer("$1", "'"+id.String()+"'", "$2", "'"+last.String()+"'").Replace(where)
}
