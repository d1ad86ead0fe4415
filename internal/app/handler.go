package app

import (
	"fmt"
	"net/http"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/monitor"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
	"github.com/orderflow/orderflow/producer"
)

// handler is everything that this process answers, by path.
func (a *App) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", a.health.Live())
	mux.Handle("GET /readyz", a.health.Ready())
	mux.Handle("GET /metrics", a.guard.Require(a.metrics.Handler(), access.Operator))
	for prefix, h := range a.extras.Neighbours {
		mux.Handle(prefix, h)
	}
	if a.cfg.Roles.Has(config.Monitor) {
		queues, err := monitor.Asynqmon(monitor.Options{Redis: a.probe, RootPath: "/monitor", Guard: func(next http.Handler) http.Handler {
			return a.guard.Require(next, access.Operator)
		}})
		if err != nil {
			return nil, err
		}
		mux.Handle("/monitor", queues)
		mux.Handle("/monitor/", queues)
	}
	if a.cfg.Roles.Has(config.API) {
		door, err := producer.New(producer.Options{
			Store: a.store, Admin: a.db, Guard: a.guard, Channels: a.channels, PublicURL: a.cfg.BaseURL(),
			AllowInsecureEndpoints: a.cfg.Notify.AllowLoopback, Now: now, Log: a.log.Named("http"),
			Requested: a.metrics.HTTPRequest, CalledBack: a.metrics.Callback,
		})
		if err != nil {
			return nil, err
		}
		mux.Handle("/", door)
		if a.cfg.Sandbox.Enabled && a.cfg.Sandbox.URL == "" {
			box, err := a.startSandbox()
			if err != nil {
				return nil, err
			}
			mux.Handle("/sandbox/", http.StripPrefix("/sandbox", box))
		}
	}
	return mux, nil
}

// openChannels registers the payment channels that are switched on.
func (a *App) openChannels() (err error) {
	var list []payment.Channel
	if c := a.cfg.Sandbox; c.Enabled {
		url := c.URL
		if url == "" {
			url = a.cfg.BaseURL() + "/sandbox"
		}
		box, err := sandbox.New(sandbox.Options{BaseURL: url, Secret: c.Secret})
		if err != nil {
			return err
		}
		list = append(list, box)
	}
	if a.channels, err = payment.NewRegistry(list...); err != nil {
		return fmt.Errorf("payment channels: %w", err)
	}
	return nil
}

// startSandbox serves the sandbox channel's own side. It speaks to us over HTTP
// only, as any channel does.
func (a *App) startSandbox() (http.Handler, error) {
	box, err := simulator.New(simulator.Options{
		Secret: a.cfg.Sandbox.Secret, BaseURL: a.cfg.BaseURL() + "/sandbox", Journal: a.extras.SandboxJournal, Log: a.log.Named("sandbox"),
	})
	if err != nil {
		return nil, err
	}
	box.Start()
	a.onStop("sandbox", box.Stop)
	return box, nil
}
