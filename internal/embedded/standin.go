package embedded

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// tick is how often the stand-in's clock is moved: it has none of its own, and
// without one no key would ever expire.
const tick = 100 * time.Millisecond

// standIn is a Redis inside this process, reached over loopback like a real one.
func standIn(h *home) (*Server, error) {
	m, password := miniredis.NewMiniRedis(), rand.Text()
	m.RequireAuth(password)
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	stopped, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		passTime(m, stopped)
	}()
	return &Server{
		URL:       fmt.Sprintf("redis://:%s@%s/0", password, m.Addr()),
		What:      "miniredis inside this process: no redis-server or valkey-server was found",
		InProcess: true,
		stop: func() {
			close(stopped)
			<-gone
			m.Close()
			h.release()
		},
	}, nil
}

func passTime(m *miniredis.Miniredis, stopped <-chan struct{}) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-stopped:
			return
		case now := <-ticker.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}
