package app

import (
	"context"
	"time"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/monitor"
	"github.com/orderflow/orderflow/producer/relay"
	"github.com/orderflow/orderflow/tasks"
	"github.com/orderflow/orderflow/workers"
)

func (a *App) startRelay() {
	if !a.cfg.Roles.Has(config.Relayer) {
		return
	}
	r := relay.Start(relay.Options{
		Outbox: a.db, Redis: a.redis, Dispatcher: a.dispatcher, Log: a.log.Named("relay"),
		Horizon: a.cfg.Relay.Horizon, Every: a.cfg.Relay.Every, Slack: a.cfg.Relay.Slack,
		Promoted: a.metrics.Promoted, Restored: a.metrics.PutBack, Emptied: a.metrics.RedisEpoch,
	})
	a.onStop("relay", r.Stop)
}

// openNotifier is for the workers, who send notices, and for the door, which
// tests endpoints.
func (a *App) openNotifier() {
	a.notifier = merchant.NewNotifier(merchant.Options{AllowLoopback: a.cfg.Notify.AllowLoopback, MaxIdlePerHost: 256, Log: a.log.Named("notify")})
	a.onStop("notifier", a.notifier.Close)
}

func (a *App) startWorkers() error {
	if !a.cfg.Roles.Has(config.Worker) {
		return nil
	}
	alerts, err := a.openAlerts()
	if err != nil {
		return err
	}
	a.pulse = startPulse(a.probe)
	a.onStop("pulse", a.pulse.stop)
	c := a.cfg.Workers
	server, err := workers.Start(workers.Options{
		Redis: workClient{a.redis, a.probe}, Bell: a.bell, Log: a.log.Named("worker"), Concurrency: c.Concurrency, NoticesConcurrency: c.NoticesConcurrency,
		CheckInterval: c.CheckInterval, DelayedInterval: c.DelayedInterval, ShutdownTimeout: c.ShutdownTimeout, Tried: a.tried,
	}, a.store, workers.All(workers.Deps{
		Store: a.store, Channels: a.channels, Sender: countedSender{a.notifier, a.metrics}, Alerts: alerts,
		Terms: a.terms(), Keep: tasks.Keep(a.cfg.Keep), NotifyURL: a.callbackURL, Log: a.log.Named("worker"), Now: now, Plain: a.extras.PlainNotices,
		InFlight: a.metrics.NoticesInFlight, Begun: a.metrics.NoticeBegun, Acknowledged: a.metrics.NoticeAcknowledged, EndpointWindow: c.EndpointWindow, VerifyEvery: a.cfg.Notify.VerifyEvery,
	}))
	if err != nil {
		return err
	}
	a.onStop("workers", func() { a.withoutRedis(server.Stop) })
	return nil
}

// withoutRedis lets stop end also when Redis is away: asynq's farewells would
// wait for it, one after another. What is then not given back is put back.
func (a *App) withoutRedis(stop func()) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	for {
		select {
		case <-stopped:
			return
		case <-time.After(2 * time.Second):
		}
		if a.probe.Ping(context.Background()).Err() != nil {
			a.giveRedisUp()
			_ = a.redis.Close()
		}
	}
}

// now is the time as the database can keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func (a *App) callbackURL(channel string) string {
	return a.cfg.BaseURL() + "/v1/channels/" + channel + "/callbacks"
}

// tried counts a try of a task.
func (a *App) tried(k tasks.Kind, outcome string, took, late time.Duration) {
	a.metrics.TaskDone(k, outcome, took)
	if k == tasks.PaymentConfirm && outcome != "lost" && outcome != "gone" {
		a.pulse.confirmed.Add(1)
	}
	switch {
	case outcome != "done":
	case k == tasks.OrderClose:
		a.metrics.OrderClosed(late)
	case k == tasks.DeliveryNotify:
		a.metrics.CallbackToMerchant(late)
	}
}

// countedSender counts what a notifier sends.
type countedSender struct {
	*merchant.Notifier
	metrics *monitor.Metrics
}

func (s countedSender) Send(ctx context.Context, e merchant.Endpoint, n merchant.Notice) merchant.Attempt {
	t := s.Notifier.Send(ctx, e, n)
	outcome := "ok"
	if !t.OK {
		outcome = string(t.Class())
	}
	s.metrics.NoticeAttempt(outcome, t.Duration)
	if t.Remote.IsValid() {
		s.metrics.NoticeConnection(t.Timing.Connect == 0)
	}
	return t
}
