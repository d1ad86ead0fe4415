package cli

import (
	"os"
	"runtime/debug"
)

// What a service of little lasting memory and much passing through it does well
// with: it collects garbage seldom, until it holds a gibibyte, and then as often
// as it takes.
const (
	gcPercent   = 800
	memoryLimit = 1 << 30
)

// roomy sets the garbage collector up, where GOGC and GOMEMLIMIT do not.
func roomy() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
