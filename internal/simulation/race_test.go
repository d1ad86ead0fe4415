//go:build race

package simulation

// The race detector makes each history several times as dear.
const (
	few     = 60
	raceful = true
)
