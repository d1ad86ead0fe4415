package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
)

func TestServersOfARedisURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]config.RedisServers{
		"redis://localhost":                   {Addrs: []string{"localhost:6379"}},
		"redis://[::1]:7000/3":                {Addrs: []string{"[::1]:7000"}, DB: 3},
		"rediss://u:p%40@r:6380/1":            {Addrs: []string{"r:6380"}, Username: "u", Password: "p@", DB: 1, TLS: true},
		"redis-sentinel://a,b:7?master=m":     {Addrs: []string{"a:26379", "b:7"}, Master: "m"},
		"redis-cluster://:p@a:1,b:2?tls=true": {Addrs: []string{"a:1", "b:2"}, Cluster: true, Password: "p", TLS: true},
		"redis-sentinel://:p@a/2?master=m&tls=true&sentinel_password=s": {
			Addrs: []string{"a:26379"}, Master: "m", Password: "p", SentinelPassword: "s", DB: 2, TLS: true,
		},
	} {
		got, err := config.Redis{URL: in}.Servers()
		require.NoError(t, err, in)
		require.Empty(t, cmp.Diff(want, got), in)
	}
}
