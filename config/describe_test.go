package config_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/config"
)

func TestDescribeNamesEverything(t *testing.T) {
	t.Parallel()
	list, err := config.Describe(config.Sources{Env: env("DATABASE_URL=postgres://u@db/orders")})
	require.NoError(t, err)
	require.Equal(t, config.Setting{
		Name: "database.url", Env: "DATABASE_URL", Flag: "--database-url", Value: "postgres://u@db/orders", Source: "env DATABASE_URL",
		Doc: "PostgreSQL, as postgres://user@host:5432/name",
	}, find(t, list, "database.url"))
	seen := map[string]bool{}
	for _, d := range list {
		require.NotEmpty(t, d.Doc, d.Name)
		require.NotContains(t, d.Doc, "\n", d.Name)
		require.False(t, seen[d.Env], "%s names two settings", d.Env)
		seen[d.Env] = true
	}
}

func TestRedactURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"postgres://u:p@db:5432/x?sslmode=disable":          "postgres://u:xxxxx@db:5432/x?sslmode=disable",
		"postgres://u@/x?host=/run&password=p":              "postgres://u@/x?xxxxx",
		"redis://:p@r:6379/0":                               "redis://:xxxxx@r:6379/0",
		"redis://p@r:6379":                                  "redis://xxxxx@r:6379",
		"redis-sentinel://a:1,b:2?master=m":                 "redis-sentinel://a:1,b:2?master=m",
		"redis-sentinel://a:1?master=m&sentinel_password=p": "redis-sentinel://a:1?xxxxx",
		"host=db password=p":                                "(hidden)",
		"postgres://u:1/p@db/x":                             "(hidden)",
		"postgres://u:1#p@db/x":                             "(hidden)",
		"postgres://u:1?p@db/x":                             "(hidden)",
		"redis:p@r":                                         "(hidden)",
	} {
		require.Equal(t, want, config.RedactURL(in), in)
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://sms.example.com/send?key=k":        "https://sms.example.com/(hidden)",
		"https://hooks.example.com:8443/T0/B0/key":  "https://hooks.example.com:8443/(hidden)",
		"https://user:k@sms.example.com/send":       "(hidden)",
		"https://user:1/k@sms.example.com/send":     "(hidden)",
		"sms.example.com/key":                       "(hidden)",
		"https:///key":                              "(hidden)",
		"https://sms.example.com/%zz?key=k#and so%": "(hidden)",
	} {
		require.Equal(t, want, config.HostOf(in), in)
	}
}

func TestTheGatewaysURLMayHaveAQuery(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Sources{Env: env("ORDERFLOW_ALERT_SMS_URL=https://sms.example.com/send/?key=hush&from=shop")})
	require.NoError(t, err)
	require.Equal(t, "https://sms.example.com/send/?key=hush&from=shop", c.Alert.SMS.URL, "to the letter: it may be signed")
	for _, wrong := range []string{"sms.example.com/hush", "smtp://sms.example.com/hush", "https://u:hush@sms.example.com", "https://sms.example.com/#hush", "https:///hush", "https://sms.example.com/hush@1"} {
		_, err := config.Load(config.Sources{Env: env("ORDERFLOW_ALERT_SMS_URL=" + wrong)})
		require.ErrorContains(t, err, "alert.sms.url (env ORDERFLOW_ALERT_SMS_URL)", wrong)
		require.ErrorContains(t, err, "want http:// or https:// with a host and no user", wrong)
		require.NotContains(t, err.Error(), "hush", wrong)
	}
}

// Whatever the secret, however badly it is written into a URL, and whether the
// rest is right or not: it is in no output.
func TestNoSecretIsEverShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// The digits come first because 12/x looks like a port and a path.
		secret := rapid.StringMatching(`[0-9]{0,3}[ -~]{0,6}Hush[ -~]{0,6}`).Draw(t, "secret")
		written := rapid.SampledFrom([]func(string) string{url.QueryEscape, func(s string) string { return s }}).Draw(t, "escape")(secret)
		pattern := rapid.SampledFrom([]string{"://user:SECRET@host:1/db", "://:SECRET@host", "://host/db?host=h&password=SECRET", "://u:SECRET@a:1,b:2/?master=m"}).Draw(t, "url")
		scheme := rapid.SampledFrom([]string{"postgres", "redis", "rediss", "redis-sentinel", "redis-cluster", "https", "bad scheme"}).Draw(t, "scheme")
		name := rapid.SampledFrom([]string{"DATABASE_URL", "REDIS_URL", "ORDERFLOW_PUBLIC_URL", "ORDERFLOW_SANDBOX_URL", "ORDERFLOW_SANDBOX_SECRET", "ORDERFLOW_ALERT_SMS_URL", "ORDERFLOW_ALERT_SMS_SECRET", "ORDERFLOW_SECRETS_KEYS"}).Draw(t, "setting")

		if name == "ORDERFLOW_ALERT_SMS_URL" && rapid.Bool().Draw(t, "in its path") {
			pattern = "://host/botSECRET/send"
		}
		value := scheme + strings.ReplaceAll(pattern, "SECRET", written)
		if strings.HasSuffix(name, "_SECRET") || strings.HasSuffix(name, "_KEYS") {
			value = secret
		}
		list, err := config.Describe(config.Sources{Env: env(name + "=" + value)})
		if err != nil && strings.Contains(err.Error(), "Hush") {
			t.Fatalf("%s=%s: the fault shows it: %v", name, value, err)
		}
		for _, d := range list {
			if strings.Contains(d.Value, "Hush") {
				t.Fatalf("%s=%s: shown as %s", name, value, d.Value)
			}
		}
	})
}

func find(t *testing.T, list []config.Setting, name string) config.Setting {
	t.Helper()
	for _, d := range list {
		if d.Name == name {
			return d
		}
	}
	require.Fail(t, "no setting "+name)
	return config.Setting{}
}
