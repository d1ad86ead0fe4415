package app

import (
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/monitor"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
	"github.com/orderflow/orderflow/producer"
)

// handler is everything that this process answers.
func (a *App) handler() (http.Handler, error) {
	mux, strays, err := a.paths()
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.extras.LoopbackOnly && !isLoopback(r.Host) && !isLoopback(net.JoinHostPort(r.Host, "80")):
			http.Error(w, "A development server answers to localhost and 127.0.0.1 only.", http.StatusMisdirectedRequest)
		case !tidy(r.URL.Path):
			strays.ServeHTTP(w, r) // the mux would send it elsewhere, in a page of HTML
		default:
			mux.ServeHTTP(w, r)
		}
	}), nil
}

// tidy says whether a path has no empty parts and none of dots.
func tidy(p string) bool {
	return strings.HasPrefix(p, "/") && strings.TrimSuffix(path.Clean(p), "/") == strings.TrimSuffix(p, "/")
}

// untidy answers a path that is not tidy where there is no door to do it.
func untidy(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "There is nothing at this path. It has empty or dotted parts: leave them out.", http.StatusNotFound)
}

// paths is what is answered, by path, and what answers the paths that are not tidy:
// the door, where there is one, with a problem as for all that it has not.
func (a *App) paths() (mux *http.ServeMux, strays http.Handler, err error) {
	mux, strays = http.NewServeMux(), http.HandlerFunc(untidy)
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
			return nil, nil, err
		}
		mux.Handle("/monitor", queues)
		mux.Handle("/monitor/", queues)
	}
	if a.cfg.Roles.Has(config.API) {
		door, err := producer.New(producer.Options{
			Store: a.store, Admin: a.db, Guard: a.guard, Channels: a.channels, Sender: a.notifier, Intake: a.startIntake(), PublicURL: a.cfg.BaseURL(),
			AllowInsecureEndpoints: a.cfg.Notify.AllowLoopback, Now: now, Log: a.log.Named("http"),
			Requested: a.metrics.HTTPRequest, CalledBack: a.metrics.Callback,
		})
		if err != nil {
			return nil, nil, err
		}
		strays = door
		mux.Handle("/", door)
		if a.cfg.Sandbox.Enabled && a.cfg.Sandbox.URL == "" {
			box, err := a.startSandbox()
			if err != nil {
				return nil, nil, err
			}
			mux.Handle("/sandbox/", http.StripPrefix("/sandbox", box))
		}
	}
	return mux, strays, nil
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
		if !a.extras.LoopbackOnly {
			a.log.Warn("the sandbox channel is on: it moves no money, and whoever has its secret can mark orders paid")
		}
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
