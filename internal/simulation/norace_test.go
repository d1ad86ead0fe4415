//go:build !race

package simulation

const (
	few     = 300
	raceful = false
)
