// Package packaging_test checks what ships around the binary: that
// docker-compose.yml and the Dockerfile are valid, safe, and speak of settings
// that exist.
package packaging_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
)

// apps are the services that run Orderflow, and the roles of each.
func apps() map[string]config.Roles {
	return map[string]config.Roles{
		"api":     {config.API},
		"worker":  {config.Relayer, config.Worker},
		"monitor": {config.Monitor},
	}
}

func TestEveryRoleIsPlayed(t *testing.T) {
	t.Parallel()
	p := compose(t)
	require.ElementsMatch(t, []string{"postgres", "redis", "migrate", "api", "worker", "monitor"}, p.ServiceNames())
	var played config.Roles
	for name, want := range apps() {
		require.Equal(t, want, settings(t, p.Services[name]).Roles, name)
		require.Equal(t, types.ShellCommand{"serve"}, p.Services[name].Command, name)
		played = append(played, want...)
	}
	require.ElementsMatch(t, config.AllRoles(), played, "each role by one service")
}

// Every variable is a setting that exists, and all services agree on where
// things are.
func TestServicesHaveValidSettings(t *testing.T) {
	t.Parallel()
	p := compose(t)
	want := settings(t, p.Services["migrate"])
	redis, err := want.Redis.Servers()
	require.NoError(t, err)
	require.Equal(t, []string{"redis:6379"}, redis.Addrs)
	require.Contains(t, want.Database.URL, "@postgres:5432/orderflow")
	require.Contains(t, want.Database.URL, ":"+*p.Services["postgres"].Environment["POSTGRES_PASSWORD"]+"@")
	require.Contains(t, p.Services["redis"].Command, redis.Password)

	for name := range apps() {
		c := settings(t, p.Services[name])
		require.Equal(t, want.Database, c.Database, name)
		require.Equal(t, want.Redis, c.Redis, name)
		require.Equal(t, want.PublicURL, c.PublicURL, name)
		require.Equal(t, want.Sandbox.Secret, c.Sandbox.Secret, name)
		require.Len(t, c.Secrets.Keys, 1, name)
		require.Equal(t, want.Secrets, c.Secrets, name)
		grace := p.Services[name].StopGracePeriod
		require.NotNil(t, grace, name)
		require.Greater(t, time.Duration(*grace), c.Workers.ShutdownTimeout, "%s is killed before its tasks may end", name)
	}
}

func TestProductionsValuesReplaceTheDevelopmentOnes(t *testing.T) {
	t.Parallel()
	p := compose(t,
		"POSTGRES_PASSWORD=p0stgres", "REDIS_PASSWORD=r3dis", "ORDERFLOW_SANDBOX_ENABLED=false",
		"ORDERFLOW_SANDBOX_SECRET=s3cret", "ORDERFLOW_PUBLIC_URL=https://pay.example.com",
		"ORDERFLOW_SECRETS_KEYS=k1:c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDMyIGI=",
	)
	text, err := p.MarshalYAML()
	require.NoError(t, err)
	require.NotContains(t, string(text), "development-only")
	require.NotContains(t, string(text), "dev_sandbox_secret")
	require.NotContains(t, string(text), config.DevSecretsKey)
	c := settings(t, p.Services["worker"])
	require.Equal(t, "https://pay.example.com", c.PublicURL)
	require.False(t, c.Sandbox.Enabled)
}

func TestServicesStartInOrder(t *testing.T) {
	t.Parallel()
	p := compose(t)
	want := map[string]string{
		"postgres": types.ServiceConditionHealthy, "redis": types.ServiceConditionHealthy, "migrate": types.ServiceConditionCompletedSuccessfully,
	}
	for name := range apps() {
		got := map[string]string{}
		for on, d := range p.Services[name].DependsOn {
			require.True(t, d.Required, "%s on %s", name, on)
			got[on] = d.Condition
		}
		require.Equal(t, want, got, name)
		require.Equal(t, "unless-stopped", p.Services[name].Restart, name)
	}
	migrate := p.Services["migrate"]
	require.Equal(t, types.ServiceConditionHealthy, migrate.DependsOn["postgres"].Condition)
	require.Equal(t, "no", migrate.Restart)
	require.Equal(t, types.ShellCommand{"migrate", "up"}, migrate.Command)
}

func TestServicesAreWatched(t *testing.T) {
	t.Parallel()
	for name, s := range compose(t).Services {
		require.NotNil(t, s.HealthCheck, name)
		require.Equal(t, name == "migrate", s.HealthCheck.Disable, name)
		if _, ours := apps()[name]; ours {
			require.Equal(t, types.HealthCheckTest{"CMD", "/orderflow", "healthcheck", "--url", "http://127.0.0.1:8080/readyz"}, s.HealthCheck.Test, name)
			require.Equal(t, ":8080", settings(t, s).HTTP.Addr, name)
		}
	}
}

func TestServicesMayDoLittle(t *testing.T) {
	t.Parallel()
	for name, s := range compose(t).Services {
		uid, _, _ := strings.Cut(s.User, ":")
		require.NotContains(t, []string{"", "0", "root"}, uid, "%s is root", name)
		require.True(t, s.ReadOnly, name)
		require.False(t, s.Privileged, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		for _, port := range s.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s is open to others", name)
		}
	}
}

func TestDataAreKept(t *testing.T) {
	t.Parallel()
	p := compose(t)
	require.ElementsMatch(t, []string{"postgres", "redis"}, p.VolumeNames())
	for name, target := range map[string]string{"postgres": "/var/lib/postgresql/data", "redis": "/data"} {
		require.Len(t, p.Services[name].Volumes, 1, name)
		require.Equal(t, target, p.Services[name].Volumes[0].Target)
		require.Equal(t, name, p.Services[name].Volumes[0].Source)
		require.Regexp(t, `:[0-9]+\.[0-9]+`, p.Services[name].Image, "%s's version is not pinned", name)
	}
	redis := strings.Join(p.Services["redis"].Command, " ")
	require.Contains(t, redis, "--appendonly yes --appendfsync everysec")
	require.Contains(t, redis, "--maxmemory-policy noeviction")
	postgres := p.Services["postgres"]
	require.NotContains(t, strings.Join(postgres.Command, " "), "off", "a commit is on disk")
}

// compose loads the file as docker compose does, with only these variables and
// without any .env file, and fails on what is unknown or does not fit together.
func compose(t *testing.T, env ...string) *types.Project {
	t.Helper()
	root := filepath.Join("..", "..")
	o, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root), cli.WithEnv(env), cli.WithConsistency(true), cli.WithNormalization(true), cli.WithInterpolation(true))
	require.NoError(t, err)
	p, err := o.LoadProject(t.Context())
	require.NoError(t, err)
	return p
}

// settings is what a service's process makes of its environment.
func settings(t *testing.T, s types.ServiceConfig) config.Config {
	t.Helper()
	var env []string
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		require.NotNil(t, s.Environment[name], "%s has no value", name)
		env = append(env, name+"="+*s.Environment[name])
	}
	c, err := config.Load(config.Sources{Env: func() []string { return env }, Required: []string{"database.url", "redis.url"}})
	require.NoError(t, err, s.Name)
	return c
}
