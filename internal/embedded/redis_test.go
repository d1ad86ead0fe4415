package embedded

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func connect(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	require.NoError(t, err)
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRedis(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	s, err := Redis(t.Context(), Options{})
	require.NoError(t, err)
	defer s.Stop()
	c := connect(t, s.URL)
	require.NoError(t, c.Set(t.Context(), "k", "v", 0).Err())
	if !s.InProcess {
		config, err := c.ConfigGet(t.Context(), "*").Result()
		require.NoError(t, err)
		require.Equal(t, "64", config["databases"])
		require.Equal(t, "noeviction", config["maxmemory-policy"])
		require.Equal(t, "no", config["appendonly"])
		require.Empty(t, config["save"])
		require.NoDirExists(t, filepath.Join(config["dir"], "appendonlydir"))
	}
	stranger := redis.NewClient(&redis.Options{Addr: c.Options().Addr})
	defer stranger.Close()
	require.ErrorContains(t, stranger.Get(t.Context(), "k").Err(), "NOAUTH")

	require.NoError(t, c.Close())
	require.NoError(t, stranger.Close())
	s.Stop()
	s.Stop()
	_, err = net.Dial("tcp", c.Options().Addr)
	require.Error(t, err)
	goleak.VerifyNone(t, leaks)
}

func TestRedisThatKeepsWhatItWasTold(t *testing.T) {
	t.Parallel()
	s, err := Redis(t.Context(), Options{Durable: true})
	require.NoError(t, err)
	defer s.Stop()
	if s.InProcess {
		t.Skip("the stand-in keeps nothing")
	}
	require.NotZero(t, s.PID)
	config, err := connect(t, s.URL).ConfigGet(t.Context(), "append*").Result()
	require.NoError(t, err)
	require.Equal(t, "yes", config["appendonly"])
	require.Equal(t, "everysec", config["appendfsync"])
}

func TestRedisStandIn(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	s, err := Redis(t.Context(), Options{find: nothing})
	require.NoError(t, err)
	defer s.Stop()
	require.True(t, s.InProcess)
	require.Contains(t, s.What, "miniredis")
	c := connect(t, s.URL)
	require.NoError(t, c.Set(t.Context(), "k", "v", 200*time.Millisecond).Err())
	require.Equal(t, "v", c.Get(t.Context(), "k").Val())
	require.Eventually(t, func() bool { return c.Get(t.Context(), "k").Err() == redis.Nil }, //nolint:errorlint // go-redis returns it bare
		5*time.Second, 10*time.Millisecond, "its clock should move")
	require.NoError(t, c.Close())
	s.Stop()
	goleak.VerifyNone(t, leaks)
}

func TestRedisThatCannotStart(t *testing.T) {
	t.Parallel()
	broken := func(program string) []string { return []string{"/bin/false"} }
	_, err := Redis(t.Context(), Options{find: broken})
	require.ErrorContains(t, err, "/bin/false")
}

func TestRedisEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	if redisProgram(installed) == "" {
		t.Skip("the stand-in is no process")
	}
	dir := filepath.Join(t.TempDir(), "redis")
	c := startChild(t, order{Server: "redis", Dir: dir})
	require.NotEmpty(t, strays(dir))
	c.kill(t)
	noneLeft(t, dir)
}
