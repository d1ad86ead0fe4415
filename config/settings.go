package config

import (
	"strings"
	"time"

	"github.com/orderflow/orderflow/internal/seal"
)

// setting is one row of the table: all that is known about a setting. Its flag
// and its variable follow from its name.
type setting struct {
	name     string
	def      string
	doc      string
	flag     bool                        // has a flag as well
	conceals conceal                     // what of its value may be shown
	read     func(*Config, string) error // parses and keeps; the error says what is wanted
}

// settings is the table, in the order in which it is shown.
func settings() []setting {
	return []setting{
		{
			name: "http", def: ":8080", flag: true, doc: "address to listen on",
			read: into(func(c *Config) *string { return &c.HTTP.Addr }, address),
		},
		{
			name: "public_url", flag: true, conceals: passwords, doc: "where buyers and payment channels reach this service; empty: from the address",
			read: into(func(c *Config) *string { return &c.PublicURL }, optional(webURL)),
		},

		{
			name: "database.url", flag: true, conceals: passwords, doc: "PostgreSQL, as postgres://user@host:5432/name",
			read: into(func(c *Config) *string { return &c.Database.URL }, optional(databaseURL)),
		},
		{
			name: "database.max_conns", def: "16", doc: "connections for lists and single rows; changes of orders have 12 of their own",
			read: into(func(c *Config) *int { return &c.Database.MaxConns }, between(2, 1000)), // maintenance holds one and needs another
		},
		{
			name: "redis.url", flag: true, conceals: passwords, doc: "Redis, as redis://, rediss://, redis-sentinel:// or redis-cluster://",
			read: into(func(c *Config) *string { return &c.Redis.URL }, optional(redisURL)),
		},

		{
			name: "role", def: strings.Join(roleNames(), ","), flag: true, doc: "parts that this process plays",
			read: into(func(c *Config) *Roles { return &c.Roles }, roles),
		},

		{
			name: "http_max_conns", def: "8192", doc: "connections that are open at once; further ones wait",
			read: into(func(c *Config) *int { return &c.HTTP.MaxConns }, between(16, 1_000_000)),
		},
		{
			name: "intake.within", def: "300ms", doc: "new orders are refused that would wait longer to be written; each further such time halves what is let in",
			read: into(func(c *Config) *time.Duration { return &c.Intake.Within }, lasting(10*time.Millisecond, time.Hour)),
		},
		{
			name: "intake.behind", def: "500ms", doc: "new orders are refused while payments are confirmed later than this; each further such time halves what is let in",
			read: into(func(c *Config) *time.Duration { return &c.Intake.Behind }, lasting(10*time.Millisecond, time.Hour)),
		},

		{
			name: "relay.horizon", def: "2m", doc: "tasks due within this time are handed to Redis",
			read: into(func(c *Config) *time.Duration { return &c.Relay.Horizon }, lasting(time.Second, time.Hour)),
		},
		{
			name: "relay.every", def: "500ms", doc: "how often the relay looks for due tasks",
			read: into(func(c *Config) *time.Duration { return &c.Relay.Every }, lasting(10*time.Millisecond, time.Minute)),
		},
		{
			name: "relay.slack", def: "10s", doc: "added to a task's limit and its queue's latency before it is put back into Redis",
			read: into(func(c *Config) *time.Duration { return &c.Relay.Slack }, lasting(time.Second, time.Hour)),
		},

		{
			name: "workers.concurrency", def: "32", doc: "bundles of payments to confirm that one process takes up at once, and as many of all other tasks but notices",
			read: into(func(c *Config) *int { return &c.Workers.Concurrency }, between(1, 10_000)),
		},
		{
			name: "workers.notices_concurrency", def: "64", doc: "bundles of up to 256 notices to merchants that one process takes up at once",
			read: into(func(c *Config) *int { return &c.Workers.NoticesConcurrency }, between(1, 10_000)),
		},
		{
			name: "workers.endpoint_window", def: "16", doc: "notices that are under way to one endpoint at once, at most: at first by each process, of what waits by all together",
			read: into(func(c *Config) *int { return &c.Workers.EndpointWindow }, between(1, 64)),
		},
		{
			name: "workers.check_interval", def: "20ms", doc: "how often an idle worker asks Redis for tasks that nobody rang for, such as those of asynq's own retries",
			read: into(func(c *Config) *time.Duration { return &c.Workers.CheckInterval }, lasting(time.Millisecond, 10*time.Second)), // asynq takes a task for 30 s, and counts from before it looks
		},
		{
			name: "workers.delayed_interval", def: "200ms", doc: "how often delayed tasks are moved to their queues",
			read: into(func(c *Config) *time.Duration { return &c.Workers.DelayedInterval }, lasting(10*time.Millisecond, time.Minute)),
		},
		{
			name: "workers.shutdown_timeout", def: "20s", doc: "how long running tasks may finish when the process is asked to stop",
			read: into(func(c *Config) *time.Duration { return &c.Workers.ShutdownTimeout }, lasting(time.Second, 10*time.Minute)),
		},

		{
			name: "terms.first_query", def: "5s", doc: "how long a payment's callback may take before the channel is asked",
			read: into(func(c *Config) *time.Duration { return &c.Terms.FirstQuery }, lasting(time.Second, time.Hour)),
		},
		{
			name: "terms.complete_after", def: "168h", doc: "how long after its delivery an order is complete",
			read: into(func(c *Config) *time.Duration { return &c.Terms.CompleteAfter }, lasting(time.Second, 365*24*time.Hour)),
		},
		{
			name: "terms.poll_after_close", def: "24h", doc: "how long after a payment's expiry the channel is still asked about it",
			read: into(func(c *Config) *time.Duration { return &c.Terms.PollAfterClose }, lasting(time.Second, 30*24*time.Hour)),
		},
		{
			name: "terms.return_mismatch", def: "30m", doc: "how long an operator may take to accept a payment of the wrong sum before it goes back",
			read: into(func(c *Config) *time.Duration { return &c.Terms.ReturnMismatch }, lasting(time.Second, 30*24*time.Hour)),
		},

		{
			name: "keep.orders", def: "9600h", doc: "how long after the end of the month in which they were made orders are kept where the API finds them; then the month goes to the schema archive",
			read: into(func(c *Config) *time.Duration { return &c.Keep.Orders }, lasting(30*24*time.Hour, 100*365*24*time.Hour)),
		},
		{
			name: "keep.answers", def: "168h", doc: "how long the same request with the same Idempotency-Key gets the same answer",
			read: into(func(c *Config) *time.Duration { return &c.Keep.Answers }, lasting(24*time.Hour, 365*24*time.Hour)),
		},
		{
			name: "keep.recoveries", def: "2160h", doc: "how long after its end a recovery of an endpoint is shown",
			read: into(func(c *Config) *time.Duration { return &c.Keep.Recoveries }, lasting(24*time.Hour, 10*365*24*time.Hour)),
		},

		{
			name: "sandbox.enabled", def: "false", doc: "offer the sandbox channel, which moves no money",
			read: into(func(c *Config) *bool { return &c.Sandbox.Enabled }, yesNo),
		},
		{
			name: "sandbox.url", conceals: passwords, doc: "where the sandbox channel is; empty: this service serves it under /sandbox",
			read: into(func(c *Config) *string { return &c.Sandbox.URL }, optional(webURL)),
		},
		{
			name: "sandbox.secret", conceals: everything, doc: "shared with the sandbox channel; signs both ways",
			read: into(func(c *Config) *string { return &c.Sandbox.Secret }, text),
		},

		{
			name: "notify.allow_loopback", def: "false", doc: "let notices go to loopback and private addresses; for development only",
			read: into(func(c *Config) *bool { return &c.Notify.AllowLoopback }, yesNo),
		},
		{
			name: "notify.verify_every", def: "168h", doc: "how often an endpoint gets a test whose signature is forged, to see that it refuses it; it does when it becomes active as well; 0s: never",
			read: into(func(c *Config) *time.Duration { return &c.Notify.VerifyEvery }, lasting(0, 365*24*time.Hour)),
		},

		{
			name: "secrets_keys", conceals: everything, doc: "keys that encrypt merchants' secrets, as id:base64; the first encrypts, all decrypt; see `orderflow secrets`",
			read: into(func(c *Config) *[]seal.Key { return &c.Secrets.Keys }, secretsKeys),
		},

		{
			name: "alert.sms.url", conceals: allButHost, doc: "SMS gateway that alerts are posted to; empty: alerts are in the log only",
			read: into(func(c *Config) *string { return &c.Alert.SMS.URL }, optional(gatewayURL)),
		},
		{
			name: "alert.sms.to", doc: "who is on duty, as the SMS gateway writes it",
			read: into(func(c *Config) *string { return &c.Alert.SMS.To }, text),
		},
		{
			name: "alert.sms.template", def: `{"to":{{json .To}},"text":{{json .Text}}}`, doc: "body of the POST, of .Text .To .Name .Order .At and .ID; it is shown, so keep keys out of it",
			read: into(func(c *Config) *string { return &c.Alert.SMS.Template }, text),
		},
		{
			name: "alert.sms.content_type", def: "application/json", doc: "content type of the POST",
			read: into(func(c *Config) *string { return &c.Alert.SMS.ContentType }, text),
		},
		{
			name: "alert.sms.secret", conceals: everything, doc: "sent to the SMS gateway as Authorization: Bearer; empty: not sent",
			read: into(func(c *Config) *string { return &c.Alert.SMS.Secret }, text),
		},

		{
			name: "log.level", def: "info", flag: true, doc: "least severity that is logged: debug, info, warn or error",
			read: into(func(c *Config) *string { return &c.Log.Level }, oneOf("debug", "info", "warn", "error")),
		},
		{
			name: "log.format", def: "json", flag: true, doc: "json for machines, console for people",
			read: into(func(c *Config) *string { return &c.Log.Format }, oneOf("json", "console")),
		},
	}
}

// into makes a row's read from where the value goes and how it is parsed.
func into[T any](field func(*Config) *T, parse func(string) (T, error)) func(*Config, string) error {
	return func(c *Config, s string) error {
		v, err := parse(s)
		if err == nil {
			*field(c) = v
		}
		return err
	}
}

// configFile is no setting but where the others may be: it has a flag and a
// variable, and cannot be in the file.
const configFile = "config"

// flagOf is "log-level" for "log.level".
func flagOf(name string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(name) }

const prefix = "ORDERFLOW_"

// envOf is "ORDERFLOW_LOG_LEVEL" for "log.level". The two addresses keep the
// names under which every platform hands them out.
func envOf(name string) string {
	upper := strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
	if upper == "DATABASE_URL" || upper == "REDIS_URL" {
		return upper
	}
	return prefix + upper
}
