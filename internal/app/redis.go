package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/config"
)

// dialTime is how long a patient client tries to reach Redis again.
const dialTime = 30 * time.Second

// patient is for the work itself. asynq forgets to acknowledge a finished task
// when one acknowledgement fails, so the client must not give up while Redis
// restarts: the task would run again. The patience is in the dialling, as long
// as Redis is wanted: go-redis repeats each command of a connection's handshake
// as often as any other, on a connection that may be dead, so a large
// MaxRetries would go on long after Redis is back.
func patient(wanted context.Context, c config.Redis) (redis.UniversalClient, error) {
	return redisClient(c, func(o *redis.UniversalOptions) {
		o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff = 5, 50*time.Millisecond, time.Second
		switch {
		case o.IsClusterMode: // another node may have taken over: look around, do not insist
		case o.MasterName != "": // each try asks the sentinels anew
			o.DialerRetryTimeout = 400 * time.Millisecond
			o.DialerRetries = int(dialTime / o.DialerRetryTimeout)
		default:
			o.DialTimeout, o.DialerRetries = dialTime, 1
			o.Dialer = insistent(wanted, dialer(o.TLSConfig))
		}
	})
}

type dial func(ctx context.Context, network, addr string) (net.Conn, error)

func dialer(c *tls.Config) dial {
	d := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 5 * time.Minute}
	if c == nil {
		return d.DialContext
	}
	return (&tls.Dialer{NetDialer: d, Config: c}).DialContext
}

// insistent dials again and again while the server is wanted.
func insistent(wanted context.Context, try dial) dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		for {
			conn, err := try(ctx, network, addr)
			if err == nil {
				return conn, nil
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
				return nil, err
			case <-wanted.Done():
				return nil, err
			}
		}
	}
}

// hasty is for what people and probes wait for: it says soon that Redis is away.
func hasty(c config.Redis) (redis.UniversalClient, error) {
	return redisClient(c, func(o *redis.UniversalOptions) {
		o.MaxRetries, o.DialTimeout, o.ReadTimeout, o.PoolSize = 1, time.Second, time.Second, 4
	})
}

func redisClient(c config.Redis, tune func(*redis.UniversalOptions)) (redis.UniversalClient, error) {
	s, err := c.Servers()
	if err != nil {
		return nil, err
	}
	o := &redis.UniversalOptions{
		Addrs: s.Addrs, MasterName: s.Master, IsClusterMode: s.Cluster, DB: s.DB,
		Username: s.Username, Password: s.Password, SentinelPassword: s.SentinelPassword,
		// Neither is known to the servers that people run, and each is an error at
		// every connect.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if s.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	tune(o)
	return redis.NewUniversalClient(o), nil
}

// workClient is what asynq's servers are given: the work's client, but their
// subscription is the probe's. asynq v0.26.0 dies of a subscription that ends
// (subscriber.go:83 takes a nil message for one), and stop closes the work's
// client under it when Redis is away.
type workClient struct {
	redis.UniversalClient
	subscriptions redis.UniversalClient
}

func (c workClient) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	return c.subscriptions.Subscribe(ctx, channels...)
}

// redisLog takes what go-redis would print to stderr.
type redisLog struct{ log *zap.SugaredLogger }

func (l redisLog) Printf(_ context.Context, format string, args ...any) {
	l.log.Debugf(format, args...)
}

// reachRedis says whether the server that somebody named is there.
func reachRedis(ctx context.Context, c config.Redis) error {
	redis.SetLogger(redisLog{zap.NewNop().Sugar()}) // the error says it
	client, err := hasty(c)
	if err != nil {
		return fmt.Errorf("redis URL: %w", err)
	}
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("REDIS_URL %s cannot be reached: %w: start it, or unset REDIS_URL to get a private one", config.RedactURL(c.URL), err)
	}
	return nil
}
