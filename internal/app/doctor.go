package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/tasks"
)

// Diagnosis is one thing that was looked at.
type Diagnosis struct {
	What   string // "redis maxmemory-policy"
	Found  string // "noeviction"
	Advice string // what to do; empty: all is well
}

// Diagnose looks at a set-up: whether its servers can be reached, whether they
// are set so that nothing is lost, whether the schema is right and whether the
// data add up. It changes nothing. With audit it reads every order.
func Diagnose(ctx context.Context, cfg config.Config, audit bool) []Diagnosis {
	redis.SetLogger(redisLog{zap.NewNop().Sugar()}) // what it would print is in what is found
	d := &doctor{ctx: ctx, cfg: cfg}
	d.database(audit)
	d.redis()
	if cfg.Roles.Has(config.API) && cfg.PublicURL == "" {
		d.note("public_url", "not set: "+cfg.BaseURL()+" is given to channels", "set ORDERFLOW_PUBLIC_URL to where channels and buyers reach this service")
	}
	d.alerts()
	switch { // it is the only channel yet: see App.openChannels
	case cfg.Sandbox.Enabled:
		d.note("sandbox.enabled", "on", "it moves no money, and whoever has its secret can mark orders paid: switch it off where orders are real")
	case !OfDev(cfg) && (cfg.Roles.Has(config.API) || cfg.Roles.Has(config.Worker)):
		d.note("payment channels", "none is set up: no order can be paid", "set ORDERFLOW_SANDBOX_ENABLED=true and ORDERFLOW_SANDBOX_SECRET to try things out, without money")
	}
	if cfg.Notify.AllowLoopback {
		d.note("notify.allow_loopback", "on", "for development only: in production merchants could make us call our own network")
	}
	return d.found
}

type doctor struct {
	ctx   context.Context //nolint:containedctx // one look, one context
	cfg   config.Config
	found []Diagnosis
}

func (d *doctor) note(what, found, advice string) {
	d.found = append(d.found, Diagnosis{what, found, advice})
}

// expect notes a value and, when it is not the wanted one, what to do.
func (d *doctor) expect(what, got, want, advice string) {
	if got == want {
		advice = ""
	}
	d.note(what, got, advice)
}

func (d *doctor) database(audit bool) {
	conn, err := db.Open(d.ctx, d.cfg.Database.URL, 2)
	if err != nil {
		d.note("postgresql", err.Error(), "correct DATABASE_URL")
		return
	}
	defer conn.Close()
	limited, cancel := context.WithTimeout(d.ctx, 5*time.Second)
	defer cancel()
	var version string
	if err := conn.QueryRowContext(limited, "SHOW server_version").Scan(&version); err != nil {
		d.note("postgresql", "cannot be reached at "+config.RedactURL(d.cfg.Database.URL)+": "+err.Error(), "start it, or correct DATABASE_URL; `docker compose up -d postgres` starts one")
		return
	}
	major, _ := strconv.Atoi(strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' })[0])
	advice := ""
	if major < 14 {
		advice = "PostgreSQL 14 or newer is needed"
	}
	d.note("postgresql", version, advice)
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := conn.QueryRowContext(limited, "SHOW "+name).Scan(&value); err == nil {
			d.expect("postgresql "+name, value, "on", "set it on: with it off, paid orders can be lost when the machine dies")
		}
	}
	if err := conn.Ping(limited); err != nil {
		d.note("schema", err.Error(), "run `orderflow migrate up`")
		return
	}
	d.note("schema", "up to date", "")
	d.months(limited, conn)
	d.outbox(limited, conn)
	d.keys(limited, conn)
	d.secrets(limited, conn)
	if audit {
		d.audit(conn)
	}
}

func (d *doctor) months(ctx context.Context, conn *db.DB) {
	list, strays, err := conn.Months(ctx)
	if err != nil {
		d.note("months", err.Error(), "look at PostgreSQL's log")
		return
	}
	found, advice := "none", "run `orderflow maintenance run`, and see why no worker does it every day: `orderflow task list --kind maintenance:run`"
	if len(list) > 0 {
		last := list[len(list)-1]
		found = fmt.Sprintf("%d, made until %s", len(list), last.To.Format(time.DateOnly))
		if time.Until(last.To) > 5*24*time.Hour {
			advice = ""
		}
	}
	if strays > 0 {
		found += fmt.Sprintf("; about %d rows outside of them", strays)
	}
	d.note("months", found, advice)
}

func (d *doctor) outbox(ctx context.Context, conn *db.DB) {
	counts, err := conn.TaskCounts(ctx)
	if err != nil {
		d.note("tasks", err.Error(), "look at PostgreSQL's log")
		return
	}
	var waiting, overdue, dead int
	for _, c := range counts {
		waiting, overdue, dead = waiting+c.Waiting+c.Promoted, overdue+c.Overdue, dead+c.Dead
	}
	advice := ""
	if overdue > 0 {
		advice = fmt.Sprintf("are relay and workers running? `orderflow task list --state %s`", tasks.Overdue)
	}
	d.note("tasks overdue", fmt.Sprintf("%d of %d", overdue, waiting), advice)
	advice = ""
	if dead > 0 {
		advice = "`orderflow task list --state dead` says why; then `orderflow task requeue`"
	}
	d.note("tasks dead", strconv.Itoa(dead), advice)
}

func (d *doctor) keys(ctx context.Context, conn *db.DB) {
	keys, err := conn.Keys(ctx)
	if err != nil {
		d.note("api keys", err.Error(), "look at PostgreSQL's log")
		return
	}
	live := map[string]int{}
	for _, k := range keys {
		if k.RevokedAt.IsZero() {
			live[string(k.Role)]++
		}
	}
	advice := ""
	if live["app"] == 0 || live["operator"] == 0 {
		advice = "make them with `orderflow key create NAME --role app` and `--role operator`"
	}
	d.note("api keys", fmt.Sprintf("%d app, %d merchant, %d operator", live["app"], live["merchant"], live["operator"]), advice)
}

func (d *doctor) secrets(ctx context.Context, conn *db.DB) {
	counts, err := conn.SecretCounts(ctx)
	if err != nil {
		d.note("secrets", err.Error(), "look at PostgreSQL's log")
		return
	}
	s := standing(counts, d.cfg.Secrets)
	d.note("secrets", s.String(), s.advice())
}

func (d *doctor) audit(conn *db.DB) {
	findings, err := conn.Audit(d.ctx)
	switch {
	case err != nil:
		d.note("books", err.Error(), "look at PostgreSQL's log")
	case len(findings) == 0:
		d.note("books", "stock, money, timelines and tasks add up", "")
	}
	for _, f := range findings {
		d.note("books", f.String(), "this must not be: keep the database as it is and report it")
	}
}

// alerts says whom an alert reaches. That nobody is woken is for the operator
// to choose, and no fault.
func (d *doctor) alerts() {
	c := d.cfg.Alert.SMS
	if c.URL == "" {
		d.note("alert.sms.url", "not set: alerts are in the log only; ORDERFLOW_ALERT_SMS_URL names an SMS gateway", "")
		return
	}
	found, advice := "alerts go to the log and to "+config.HostOf(c.URL), ""
	if _, err := openSMS(c); err != nil {
		found, advice = err.Error(), "correct it: no worker starts with it"
	}
	d.note("alert.sms", found, advice)
}

func (d *doctor) redis() {
	client, err := hasty(d.cfg.Redis)
	if err != nil {
		d.note("redis", err.Error(), "correct REDIS_URL")
		return
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(d.ctx, 5*time.Second)
	defer cancel()
	info, err := client.InfoMap(ctx, "server", "persistence").Result()
	if err != nil {
		d.note("redis", "cannot be reached at "+config.RedactURL(d.cfg.Redis.URL)+": "+err.Error(), "start it, or correct REDIS_URL; `docker compose up -d redis` starts one")
		return
	}
	d.note("redis", redisVersion(info), "")
	policy, err := client.ConfigGet(ctx, "maxmemory-policy").Result()
	if err == nil && policy["maxmemory-policy"] != "" {
		d.expect("redis maxmemory-policy", policy["maxmemory-policy"], "noeviction", "set noeviction: an evicted task waits until the relay puts it back")
	}
	if on, ok := info["Persistence"]["aof_enabled"]; ok {
		found := "yes"
		if on != "1" {
			found = "no: after a restart everything is put back from PostgreSQL"
		}
		d.note("redis appendonly", found, "")
	}
}

func redisVersion(info map[string]map[string]string) string {
	if v := info["Server"]["redis_version"]; v != "" {
		return v
	}
	return "answers, but does not say its version"
}
