package bench

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// standBack has this process's threads, and those that they begin, wait for their
// turn: what wakes them, such as an answer, interrupts nobody. On a machine that is
// shared with what is measured, it would be interrupted for every answer that it
// gives, which costs it a tenth of what it can do. forward undoes it; processes
// that are started before that stand back as well.
func standBack() (forward func()) {
	schedule(unix.SCHED_BATCH)
	return func() { schedule(unix.SCHED_NORMAL) }
}

// schedule changes what it may: otherwise the figures are as on other systems.
func schedule(policy uint32) {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if is, err := unix.SchedGetAttr(id, 0); err == nil {
			is.Policy = policy
			_ = unix.SchedSetAttr(id, is, 0)
		}
	}
}
