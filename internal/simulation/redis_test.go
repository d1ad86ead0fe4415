package simulation

import (
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// memory is the world's Redis, reached without a socket. It can be emptied and
// it can be away.
type memory struct {
	*miniredis.Miniredis
	away atomic.Bool
}

// newMemory starts it, which a first connection does.
func newMemory() (*memory, error) {
	m := &memory{Miniredis: miniredis.NewMiniRedis()}
	m.ClockTTL(true)
	conn, err := m.Dial()
	if err != nil {
		return nil, err
	}
	m.Server().SetPreHook(m.answerIdle)
	return m, conn.Close()
}

// answerIdle answers asynq's polls when they find nothing, as its scripts do.
// They are most of what a quiet day asks of Redis, and each would make a Lua
// interpreter of its own. Whatever finds something runs asynq's own script.
// What a server writes of itself for the monitor is read by nobody here.
func (m *memory) answerIdle(c *server.Peer, cmd string, args ...string) bool {
	if cmd != "EVALSHA" || len(args) < 4 {
		return false
	}
	keys, err := strconv.Atoi(args[1])
	if err != nil || len(args) < 2+keys {
		return false
	}
	key, argv := args[2], args[2+keys:]
	_, what, _ := strings.Cut(key, "}:")
	switch {
	case strings.HasPrefix(key, "asynq:servers:") && len(argv) > 0:
		c.WriteOK()
	case what == "pending" && keys == 4 && !m.Exists(key):
		c.WriteNull()
	case (what == "scheduled" || what == "retry") && keys == 2 && len(argv) == 4 && !m.due(key, argv[0]):
		c.WriteInt(0)
	case what == "completed" && keys == 1 && len(argv) == 3 && !m.Exists(key):
		c.WriteInt(0)
	case what == "lease" && keys == 1 && len(argv) == 2 && !m.due(key, argv[0]):
		c.WriteLen(0)
	case strings.HasSuffix(key, ":aggregation_sets") && !m.Exists(key):
		c.WriteOK()
	default:
		return false
	}
	return true
}

// due says whether a sorted set has something up to a score.
func (m *memory) due(key, score string) bool {
	limit, err := strconv.ParseFloat(score, 64)
	if err == nil && !m.Exists(key) {
		return false
	}
	members, err := m.ZMembers(key) // the least comes first
	if err != nil || len(members) == 0 {
		return true // asynq's own script finds out
	}
	least, err := m.ZScore(key, members[0])
	return err != nil || least <= limit
}

// cable is a process's way to Redis. It is cut when the process is killed, and
// pulled for a while when Redis is away.
type cable struct {
	memory *memory
	mu     sync.Mutex
	cut    bool
	conns  []net.Conn
}

// dial never waits: go-redis holds locks over it, and who waits for a lock
// holds the world's time. Its error is one after which go-redis pauses and
// tries again: asynq would not pause.
func (c *cable) dial(context.Context, string, string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut || c.memory.away.Load() {
		return nil, io.EOF
	}
	conn, err := c.memory.Dial()
	if err == nil {
		c.conns = append(c.conns, conn)
	}
	return conn, err
}

// pull breaks the connections that there are; forever, no new ones are made.
func (c *cable) pull(forever bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = c.cut || forever
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func (c *cable) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Dialer: c.dial, DialerRetries: 1,
		MaxRetries: 5, MinRetryBackoff: 100 * time.Millisecond, MaxRetryBackoff: 2 * time.Second,
		DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}
