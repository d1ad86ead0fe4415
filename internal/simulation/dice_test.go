package simulation

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// dice is where a person's choices come from. What each person throws depends
// on the seed and the person's name alone, not on who threw before.
type dice struct {
	*rand.Rand
	seed uint64
	name string
}

func diceOf(seed uint64, name string) dice {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return dice{rand.New(rand.NewPCG(seed, h.Sum64())), seed, name}
}

// of is the dice of somebody in the same history.
func (d dice) of(who string) dice { return diceOf(d.seed, d.name+"/"+who) }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between is a time from least to most: mostly whole seconds, so that many
// things happen in the same instant, as they do in life.
func (d dice) between(least, most time.Duration) time.Duration {
	grain := time.Second
	if d.chance(0.2) || most-least < 10*time.Second {
		grain = time.Millisecond
	}
	return least + time.Duration(d.Int64N(int64((most-least)/grain)+1))*grain
}

// way is one of the ways in which something can be done, and how often it is.
type way[T any] struct {
	weight int
	name   string
	do     T
}

// pick chooses a way by weight.
func pick[T any](d dice, ways []way[T]) way[T] {
	total := 0
	for _, w := range ways {
		total += w.weight
	}
	n := d.IntN(total)
	for _, w := range ways {
		if n -= w.weight; n < 0 {
			return w
		}
	}
	panic("unreachable: the weights add up to the total")
}

// pause lets some of the world's time pass.
func pause(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}
