package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
)

func TestEveryFaultIsToldAtOnce(t *testing.T) {
	t.Parallel()
	path := write(t, `relay:
  horizont: 2m
  every: often
workers:
  concurrency: 0
colour: blue
log.level: debug
`)
	_, err := config.Load(config.Sources{
		File:     path,
		Flags:    flags(t, "--log-format", "xml"),
		Env:      env("ORDERFLOW_LOG_LEVL=debug", "ORDERFLOW_ROLE=api,wroker", "REDIS_URL=redys://:hush@r:6379", "PATH=/bin", "ORDERFLOW_SANDBOX_ENABLED=true"),
		Required: []string{"database.url", "redis.url"},
	})

	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	want := []string{
		"ORDERFLOW_LOG_LEVL (env): there is no such setting; did you mean ORDERFLOW_LOG_LEVEL?",
		"relay.horizont (file FILE:2): there is no such setting; did you mean relay.horizon?",
		"colour (file FILE:6): there is no such setting; `orderflow config` lists them all",
		"log.level (file FILE:7): write the parts of a name below each other, not with a dot",
		"database.url (default): must be given: PostgreSQL, as postgres://user@host:5432/name; set DATABASE_URL",
		`redis.url (env REDIS_URL): "redys://:xxxxx@r:6379": want redis://, rediss://, redis-sentinel:// or redis-cluster://`,
		`role (env ORDERFLOW_ROLE): "api,wroker": want one or more of api,relay,worker,monitor`,
		`relay.every (file FILE:3): "often": want a time from 10ms to 1m0s, such as 500ms, 20s or 2m`,
		`workers.concurrency (file FILE:5): "0": want a whole number from 1 to 10000`,
		`log.format (flag --log-format): "xml": want one of json, console`,
		"sandbox.secret (default): must be given when sandbox.enabled is true; set ORDERFLOW_SANDBOX_SECRET",
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.Error())
		require.ErrorIs(t, err, f)
	}
	for i := range want {
		want[i] = replaceFile(want[i], path)
	}
	require.Empty(t, cmp.Diff(want, got))
	require.Equal(t, len(want), strings.Count(err.Error(), "\n"), "one line each, below the headline")
}

func TestValuesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"ORDERFLOW_HTTP":                  {"8080", "localhost", ":http", ":70000", "a:b:c"},
		"ORDERFLOW_PUBLIC_URL":            {"pay.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?a=b"},
		"ORDERFLOW_DATABASE_MAX_CONNS":    {"0", "1", "-1", "1001", "many", "1.5"},
		"ORDERFLOW_ROLE":                  {"db", "api,", ","},
		"ORDERFLOW_RELAY_HORIZON":         {"2", "-2m", "0", "2h"},
		"ORDERFLOW_NOTIFY_ALLOW_LOOPBACK": {"yes", "1", "TRUE"},
		"ORDERFLOW_SECRETS_KEYS": {
			"k1", "k1:", ":" + someKey, "K1:" + someKey, "k.1:" + someKey, "k1:" + someKey[1:], "k1:" + someKey + "A", "k1:AAAA", "k1:" + someKey + ",",
			"k1:" + someKey + ",k1:" + someKey, "k1:" + someKey + " k2:" + someKey, someKey,
		},
		"DATABASE_URL": {"mysql://db/x", "db", "host=db user=u", "postgres:///orders", "postgres://u:p#1@db/x", "postgres://u:1/2@db/x"},
		"REDIS_URL": {
			"localhost:6379", "redis://", "http://r", "redis://a:1,b:2", "redis://r/zero", "redis://secret@r", "redis://r?x=1",
			"redis-sentinel://a,b", "redis-sentinel://a,,b?master=m", "redis-sentinel://a?master=m&tls=si", "redis-cluster://a/1", "redis://:1?2@r",
		},
	} {
		for _, v := range values {
			t.Run(name+"="+v, func(t *testing.T) {
				t.Parallel()
				_, err := config.Load(config.Sources{Env: env(name + "=" + v)})
				var faults config.Faults
				require.ErrorAs(t, err, &faults)
				require.Len(t, faults, 1)
				require.Equal(t, "env "+name, faults[0].Source)
			})
		}
	}
}

func TestDatabaseURLsThatAreTaken(t *testing.T) {
	t.Parallel()
	for _, v := range []string{
		"postgres://u:p%40ss@db:5432/orders?sslmode=require", "postgresql://db/orders", "postgres://u@a:5432,b:5433/orders", "postgres://u@/orders?host=/run/postgresql",
	} {
		c, err := config.Load(config.Sources{Env: env("DATABASE_URL=" + v)})
		require.NoError(t, err, v)
		require.Equal(t, v, c.Database.URL)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ content, want string }{
		"not YAML":           {"http: [", "cannot be used: yaml:"},
		"a list":             {"- http\n", "config (file FILE:1): want lines of the form name: value"},
		"a value for many":   {"relay: fast\n", "relay (file FILE:1): want lines of the form name: value"},
		"many for a value":   {"http:\n  addr: x\n", "http (file FILE:2): want one value"},
		"twice":              {"http: :1\nhttp: :2\n", "http (file FILE:2): is there twice; the first is in line 1"},
		"twice, in sections": {"log: {level: info}\nlog: {format: json}\n", "log (file FILE:2): is there twice"},
		"an anchor":          {"http: &a :1\npublic_url: *a\n", "public_url (file FILE:2): want one value"},
		"two documents":      {"http: :1\n---\nhttp: :2\n", "more than one YAML document"},
		"itself":             {"config: other.yaml\n", "config (file FILE:1): there is no such setting"},
		"half a name":        {"horizon: 2m\n", "did you mean relay.horizon?"},
		"too large":          {strings.Repeat("# nothing\n", 200_000), "that is no settings file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, tc.content)
			_, err := config.Load(config.Sources{Env: env(), File: path})
			require.ErrorContains(t, err, replaceFile(tc.want, path))
		})
	}
}

func TestAPrefixedAddressIsExplained(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Sources{Env: env("ORDERFLOW_DATABASE_URL=postgres://u:hush@db/x")})
	require.ErrorContains(t, err, "did you mean DATABASE_URL?")
	require.NotContains(t, err.Error(), "hush")
}

func FuzzFile(f *testing.F) {
	f.Add("http: :8080\nrelay:\n  horizon: 2m\n")
	f.Add("relay: {horizon: [1, 2], every: {a: b}}\n? [a]\n: b\n")
	f.Add("a: &a [*a]\nhttp: *a\n<<: *a\n")
	f.Add("role:\n- api\n- \"worker\"\n---\n")
	f.Fuzz(func(t *testing.T, content string) {
		s := config.Sources{Env: env(), File: write(t, content)}
		list, described := config.Describe(s)
		_, loaded := config.Load(s)
		if (loaded == nil) != (described == nil) {
			t.Fatalf("Load says %v, Describe says %v", loaded, described)
		}
		var faults config.Faults
		if loaded != nil && (!errors.As(loaded, &faults) || len(faults) == 0) {
			t.Fatalf("not faults: %v", loaded)
		}
		if slices.ContainsFunc(list, func(d config.Setting) bool { return d.Source == "" }) {
			t.Fatal("a setting from nowhere")
		}
	})
}

func replaceFile(s, path string) string { return strings.ReplaceAll(s, "FILE", path) }
