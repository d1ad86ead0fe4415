package monitor

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/tasks"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newRedis is a Redis and a client that gives up soon, as a watcher's should.
func newRedis(t *testing.T) (*miniredis.Miniredis, *redis.Client) {
	t.Helper()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{
		Addr: server.Addr(), MaxRetries: -1, DialTimeout: time.Second, DialerRetries: 1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	t.Cleanup(func() { _ = client.Close() })
	return server, client
}

func enqueue(t *testing.T, client *redis.Client, queue tasks.Queue, kind string, payload []byte, opts ...asynq.Option) {
	t.Helper()
	c := asynq.NewClientFromRedisClient(client)
	_, err := c.Enqueue(asynq.NewTask(kind, payload), append(opts, asynq.Queue(string(queue)))...)
	require.NoError(t, err)
}

func subjects(n int) []tasks.Subject {
	s := make([]tasks.Subject, n)
	for i := range s {
		s[i] = ident.New[struct{}]()
	}
	return s
}
