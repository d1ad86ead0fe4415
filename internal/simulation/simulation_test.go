package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"github.com/redis/go-redis/v9/logging"

	"github.com/orderflow/orderflow/db/dbtest"
)

var (
	seed      = flag.Uint64("seed", rand.Uint64(), "from which all choices come")
	histories = flag.Int("histories", few, "how many are lived")
	worldSize = flag.Int("world", 500, "how many of them side by side")
	only      = flag.Int("only", -1, "the number of the one history to be lived, in its world's weather; -1: all")
)

// enough is how many histories take every arrow of the state machines.
const enough = 3000

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // worlds are small and make much garbage
	logging.Disable()       // go-redis's: connections break here all the time
	dbtest.Main(m)
}

func TestHistories(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seed)
	t.Cleanup(func() { lookAtArrows(t) })
	for first := 0; first < *histories; first += *worldSize {
		if *only >= 0 && (*only < first || *only >= first+*worldSize) {
			continue
		}
		t.Run(fmt.Sprintf("from %d", first), func(t *testing.T) {
			t.Parallel()
			p := plan{seed: *seed, first: first, size: min(*worldSize, *histories-first), only: *only}
			for _, f := range live(t, p) {
				t.Errorf("%s\n%s\nagain: go test ./internal/simulation -run TestHistories -seed %d -world %d -histories %d -only %d",
					f.what, f.story, *seed, *worldSize, *histories, f.history)
			}
		})
	}
}

// lookAtArrows says which steps no history has taken: among many there must be
// none.
func lookAtArrows(t *testing.T) {
	for _, arrow := range seen.missing() {
		if *histories >= enough && *only < 0 {
			t.Errorf("no history of %d has taken: %s", *histories, arrow)
		} else {
			t.Logf("not taken: %s", arrow)
		}
	}
}
