package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
)

func TestEverySettingHasADefault(t *testing.T) {
	t.Parallel()
	got, err := config.Load(config.Sources{Env: env()})
	require.NoError(t, err)
	want := config.Config{
		HTTP:     config.HTTP{Addr: ":8080", MaxConns: 8192},
		Database: config.Database{MaxConns: 16},
		Roles:    config.Roles{config.API, config.Relayer, config.Worker, config.Monitor},
		Intake:   config.Intake{Within: 300 * time.Millisecond, Behind: 500 * time.Millisecond},
		Relay:    config.Relay{Horizon: 2 * time.Minute, Every: 500 * time.Millisecond, Slack: 10 * time.Second},
		Workers: config.Workers{
			Concurrency: 32, NoticesConcurrency: 64, EndpointWindow: 16,
			CheckInterval: 20 * time.Millisecond, DelayedInterval: 200 * time.Millisecond, ShutdownTimeout: 20 * time.Second,
		},
		Terms:  config.Terms{FirstQuery: 5 * time.Second, CompleteAfter: 168 * time.Hour, PollAfterClose: 24 * time.Hour, ReturnMismatch: 30 * time.Minute},
		Keep:   config.Keep{Orders: 400 * 24 * time.Hour, Answers: 7 * 24 * time.Hour, Recoveries: 90 * 24 * time.Hour},
		Notify: config.Notify{VerifyEvery: 7 * 24 * time.Hour},
		Alert:  config.Alert{SMS: config.SMS{Template: `{"to":{{json .To}},"text":{{json .Text}}}`, ContentType: "application/json"}},
		Log:    config.Log{Level: "info", Format: "json"},
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestDevelopmentDefaultsStayOnLoopback(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Sources{Env: env(), Defaults: config.DevDefaults()})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", c.HTTP.Addr)
	require.Equal(t, config.Sandbox{Enabled: true, Secret: "dev_sandbox_secret"}, c.Sandbox)
	require.True(t, c.Notify.AllowLoopback)
	require.Len(t, c.Secrets.Keys, 1)
	require.Empty(t, c.Alert.SMS.URL, "alerts are in the log, and nobody is woken")
	require.Equal(t, "console", c.Log.Format)
	require.Equal(t, 2*time.Minute, c.Terms.ReturnMismatch, "short enough to watch")

	c, err = config.Load(config.Sources{Env: env("ORDERFLOW_HTTP=:9000"), Defaults: config.DevDefaults()})
	require.NoError(t, err)
	require.Equal(t, ":9000", c.HTTP.Addr, "a default of dev's is a default still")
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	const inFile = "log:\n  level: warn\n"
	for name, tc := range map[string]struct {
		args   []string
		env    []string
		file   string
		want   string
		source string
	}{
		"default":               {want: "info", source: "default"},
		"file over default":     {file: inFile, want: "warn", source: "file FILE:2"},
		"environment over file": {file: inFile, env: []string{"ORDERFLOW_LOG_LEVEL=error"}, want: "error", source: "env ORDERFLOW_LOG_LEVEL"},
		"flag over environment": {file: inFile, env: []string{"ORDERFLOW_LOG_LEVEL=error"}, args: []string{"--log-level=debug"}, want: "debug", source: "flag --log-level"},
		"flag over file":        {file: inFile, args: []string{"--log-level", "debug"}, want: "debug", source: "flag --log-level"},
		"an empty variable counts as absent": {
			file: inFile, env: []string{"ORDERFLOW_LOG_LEVEL="}, want: "warn", source: "file FILE:2",
		},
		"an absent value in the file counts as absent": {file: "log:\n  level:\n", want: "info", source: "default"},
		"a section with nothing in it is no fault":     {file: "log:\n  # level: debug\n", want: "info", source: "default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := config.Sources{Flags: flags(t, tc.args...), Env: env(tc.env...)}
			if tc.file != "" {
				s.File = write(t, tc.file)
			}
			c, err := config.Load(s)
			require.NoError(t, err)
			require.Equal(t, tc.want, c.Log.Level)

			list, err := config.Describe(s)
			require.NoError(t, err)
			require.Equal(t, tc.want, find(t, list, "log.level").Value)
			require.Equal(t, replaceFile(tc.source, s.File), find(t, list, "log.level").Source)
		})
	}
}

func TestAFlagMayEmptyWhatTheEnvironmentSays(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Sources{Flags: flags(t, "--database-url="), Env: env("DATABASE_URL=postgres://db/orders")})
	require.NoError(t, err)
	require.Empty(t, c.Database.URL)
}

func TestTheFileIsNamedByFlagOrEnvironment(t *testing.T) {
	t.Parallel()
	mine, other := write(t, "http: :7001\n"), write(t, "http: :7002\n")
	missing := filepath.Join(t.TempDir(), "missing.yaml")

	c, err := config.Load(config.Sources{Env: env("ORDERFLOW_CONFIG=" + mine)})
	require.NoError(t, err)
	require.Equal(t, ":7001", c.HTTP.Addr)

	c, err = config.Load(config.Sources{Env: env("ORDERFLOW_CONFIG=" + mine), Flags: flags(t, "--config", other)})
	require.NoError(t, err)
	require.Equal(t, ":7002", c.HTTP.Addr)

	_, err = config.Load(config.Sources{Env: env("ORDERFLOW_CONFIG=" + missing)})
	require.ErrorContains(t, err, "config (env ORDERFLOW_CONFIG): "+missing+" cannot be used")
}

func TestOrderflowYAMLIsReadWhereItIs(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := config.Load(config.Sources{Env: env()})
	require.NoError(t, err)
	require.Equal(t, ":8080", c.HTTP.Addr)

	require.NoError(t, os.WriteFile("orderflow.yaml", []byte("http: :7003"), 0o600))
	c, err = config.Load(config.Sources{Env: env()})
	require.NoError(t, err)
	require.Equal(t, ":7003", c.HTTP.Addr)
}

func TestValuesKeepTheTextThatWasWritten(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Sources{Env: env(), File: write(t, `
http: :8090
role: [worker, relay, relay]
relay: {horizon: 90s}
sandbox:
  enabled: true
  url: https://sandbox.example.com/
  secret: 0123
`)})
	require.NoError(t, err)
	require.Equal(t, config.Roles{config.Relayer, config.Worker}, c.Roles)
	require.Equal(t, 90*time.Second, c.Relay.Horizon)
	require.Equal(t, config.Sandbox{Enabled: true, URL: "https://sandbox.example.com", Secret: "0123"}, c.Sandbox)
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":8080":          "http://127.0.0.1:8080",
		"0.0.0.0:8080":   "http://127.0.0.1:8080",
		"[::]:8080":      "http://127.0.0.1:8080",
		"[::1]:9000":     "http://[::1]:9000",
		"pay.local:8080": "http://pay.local:8080",
	} {
		c := config.Config{HTTP: config.HTTP{Addr: addr}}
		require.Equal(t, want, c.BaseURL(), addr)
	}
	require.Equal(t, "https://pay.example.com", config.Config{PublicURL: "https://pay.example.com"}.BaseURL())
}

func env(vars ...string) func() []string { return func() []string { return vars } }

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("orderflow", pflag.ContinueOnError)
	config.Flags(fs)
	fs.Bool("ephemeral", false, "a flag that is no setting")
	require.NoError(t, fs.Parse(args))
	return fs
}

func write(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "orderflow.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
