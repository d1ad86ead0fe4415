//go:build !linux

package bench

// standBack is for Linux: elsewhere whoever measures interrupts what is measured.
func standBack() (forward func()) { return func() {} }
