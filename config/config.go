// Package config reads the settings, once, and hands them on as plain values.
//
// Every setting has one name, such as "relay.horizon", and may be given in four
// places. The first that has it wins:
//
//	flag         --log-level (only the settings that people type)
//	environment  ORDERFLOW_RELAY_HORIZON; DATABASE_URL and REDIS_URL go without the prefix
//	file         relay: {horizon: 2m} in orderflow.yaml, or in what --config or ORDERFLOW_CONFIG names
//	default
//
// An empty environment variable counts as absent; an empty flag or an empty
// string in the file does not. Names that nobody knows are faults, and all
// faults are reported together. The package imports nothing of what it
// configures: internal/app turns a Config into the other packages' options.
package config

import (
	"net"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/orderflow/orderflow/internal/seal"
)

// Config is all settings. The zero value is of no use: get one from Load.
type Config struct {
	HTTP      HTTP
	PublicURL string // where channels and buyers reach us; empty: see BaseURL
	Database  Database
	Redis     Redis
	Roles     Roles
	Intake    Intake
	Relay     Relay
	Workers   Workers
	Terms     Terms
	Keep      Keep
	Sandbox   Sandbox
	Notify    Notify
	Secrets   Secrets
	Alert     Alert
	Log       Log
}

// HTTP is the door.
type HTTP struct {
	Addr     string // host:port to listen on
	MaxConns int    // connections at once; more wait to be accepted
}

// BaseURL is PublicURL, or what the address makes of itself on this machine.
func (c Config) BaseURL() string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	host, port, err := net.SplitHostPort(c.HTTP.Addr)
	if ip := net.ParseIP(host); err != nil || host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Database is where PostgreSQL is. It may hold a password: never log it.
type Database struct {
	URL      string
	MaxConns int
}

// Redis is where Redis is. It may hold a password: never log it.
type Redis struct {
	URL string
}

// Intake is when new orders are refused because there is too much to do.
type Intake struct {
	Within time.Duration // how long an order may wait to be written before new ones are refused
	Behind time.Duration // how late payments may be confirmed before new orders are refused
}

// Relay is how the outbox is carried to Redis.
type Relay struct {
	Horizon time.Duration // rows due within it are handed to asynq
	Every   time.Duration // how often it looks
	Slack   time.Duration // added to a task's limit and its queue's latency before its row is put back
}

// Workers is how tasks are run.
type Workers struct {
	Concurrency        int           // bundles of payments to confirm at once, and as many of all else but notices
	NoticesConcurrency int           // bundles of notices to merchants at once
	EndpointWindow     int           // notices under way to one endpoint at once, at most
	CheckInterval      time.Duration // how often an idle worker looks for what nobody rang for
	DelayedInterval    time.Duration // how often delayed tasks are moved to their queues
	ShutdownTimeout    time.Duration // how long running tasks may finish at the end
}

// Terms are the times that follow events by agreement.
type Terms struct {
	FirstQuery     time.Duration // how long a callback may take before the channel is asked
	CompleteAfter  time.Duration // how long after its delivery an order is complete
	PollAfterClose time.Duration // how long after an attempt's expiry the channel is still asked
	ReturnMismatch time.Duration // how long an operator may take to accept a payment of the wrong sum
}

// Keep is how long what is done is kept where it can be found at once.
type Keep struct {
	Orders     time.Duration // after the end of their month
	Answers    time.Duration // to requests with an Idempotency-Key
	Recoveries time.Duration // of endpoints, after their end
}

// Sandbox is the payment channel without money.
type Sandbox struct {
	Enabled bool
	URL     string // empty: our own simulator, at BaseURL + "/sandbox"
	Secret  string // signs both ways
}

// Notify is how merchants are told.
type Notify struct {
	AllowLoopback bool          // endpoints on loopback and private addresses: for development only
	VerifyEvery   time.Duration // how often an endpoint gets a forged notice, which it must refuse; 0: never
}

// Secrets is what merchants' secrets are encrypted with.
type Secrets struct {
	Keys []seal.Key // the first encrypts, all decrypt; empty: no endpoint can be made
}

// Alert is how whoever is on duty is told, besides the log.
type Alert struct {
	SMS SMS
}

// SMS is a provider of SMS that takes a POST. Its URL may hold a key: never log
// it.
type SMS struct {
	URL         string // empty: no SMS is sent
	To          string // whoever is on duty, as the provider writes it
	Template    string // the body; see docs/operations.md
	ContentType string
	Secret      string // sent as "Authorization: Bearer …"; empty: not sent
}

// Log is what is logged and how.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // json or console
}

// Role is a part of the service that a process may play.
type Role string

// The roles.
const (
	API     Role = "api"
	Relayer Role = "relay"
	Worker  Role = "worker"
	Monitor Role = "monitor"
)

// Roles are the parts that this process plays, in the order above.
type Roles []Role

// AllRoles lists every role.
func AllRoles() Roles { return Roles{API, Relayer, Worker, Monitor} }

// Has says whether r is among them.
func (rs Roles) Has(r Role) bool { return slices.Contains(rs, r) }

// Sources is where settings come from.
type Sources struct {
	// Flags is a parsed flag set, as Flags filled it; flags that are not of
	// settings are left alone. nil: none.
	Flags *pflag.FlagSet
	// Env is the environment as os.Environ gives it. nil: the process's.
	Env func() []string
	// File is the path of a settings file that must exist. Empty: what --config
	// or ORDERFLOW_CONFIG names, else ./orderflow.yaml if it is there.
	File string
	// Defaults replaces defaults, by the settings' names.
	Defaults map[string]string
	// Required names settings that must not be empty.
	Required []string
}

// DevSecretsKey encrypts the secrets of a development server. Everybody knows
// it.
const DevSecretsKey = "dev:ZGV2ZWxvcG1lbnQtb25seS1rZXktMzItYnl0ZXMhISE=" //nolint:gosec // for loopback only

// DevDefaults are the defaults of `orderflow dev`: loopback only, the sandbox
// channel on, logs for people, and a payment of the wrong sum back while one
// watches.
func DevDefaults() map[string]string {
	return map[string]string{ //nolint:gosec // its secrets are known to everybody and move no money
		"http":                  "127.0.0.1:8080",
		"sandbox.enabled":       "true",
		"sandbox.secret":        "dev_sandbox_secret",
		"notify.allow_loopback": "true",
		"secrets_keys":          DevSecretsKey,
		"terms.return_mismatch": "2m",
		"log.format":            "console",
		"log.level":             "warn",
	}
}

// Load reads and checks every setting. Its error is of type Faults and tells
// everything that is wrong; the Config is then of no use.
func Load(s Sources) (Config, error) {
	c, _, faults := settle(s)
	if len(faults) > 0 {
		return Config{}, faults
	}
	return c, nil
}
