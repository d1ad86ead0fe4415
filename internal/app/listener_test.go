package app

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// A connection more than may be open is accepted when one is closed, however
// often that is closed.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln := limited(inner, 2)
	defer ln.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", ln.Addr().String())
		require.NoError(t, err)
		defer c.Close()
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Fatal("a third is open")
	default:
	}
	require.NoError(t, first.Close())
	_ = first.Close()
	third := <-accepted
	require.NoError(t, ln.Close())
	_, open := <-accepted
	require.False(t, open, "who waits for a place does not wait for ever")
	_, _ = second.Close(), third.Close()
}
