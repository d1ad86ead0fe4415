package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/demo"
	"github.com/orderflow/orderflow/internal/embedded"
	"github.com/orderflow/orderflow/internal/loadgen"
)

// DevOptions are what `orderflow dev` was asked for.
type DevOptions struct {
	Dir       string // where the data stay: .orderflow
	Ephemeral bool   // keep nothing
	Traffic   float64
	Out       io.Writer
}

// dev is a development server: an App with everything around it that is
// elsewhere in production.
type dev struct {
	cfg      config.Config
	o        DevOptions
	log      *zap.Logger
	servers  []string // what serves us, in words
	cleanups []func()
}

// Dev runs everything on this machine until ctx ends.
func Dev(ctx context.Context, cfg config.Config, o DevOptions, logTo io.Writer) error {
	if err := loopbackOnly(cfg.HTTP.Addr); err != nil {
		return err
	}
	log, err := NewLogger(cfg.Log, logTo)
	if err != nil {
		return err
	}
	defer StandardLog(log)()
	d := &dev{cfg: cfg, o: o, log: log}
	defer d.stop()
	began := time.Now()
	fmt.Fprintln(o.Out, "Orderflow is starting …")
	if err := d.startServers(ctx); err != nil {
		return err
	}
	if err := seed(ctx, d.cfg); err != nil {
		return err
	}
	return d.run(ctx, began)
}

func (d *dev) run(ctx context.Context, began time.Time) error {
	shop, err := d.openShop(devMerchantKey)
	if err != nil {
		return err
	}
	slow, err := d.openShop(devSlowKey)
	if err != nil {
		return err
	}
	a, err := Start(ctx, d.cfg, d.log, Extras{
		Neighbours: map[string]http.Handler{
			"/demo/merchant/": http.StripPrefix("/demo/merchant", shop),
			"/demo/slow/":     http.StripPrefix("/demo/slow", slow),
		},
		FixedKeys:      true,
		SandboxJournal: d.file("sandbox.jsonl"),
		LoopbackOnly:   true,
	})
	if err != nil {
		return err
	}
	defer a.Stop()
	for _, s := range []*demo.Merchant{shop, slow} {
		s.Start()
		defer s.Stop()
	}
	d.leaveNote()
	welcome(d.o, d.cfg, d.servers, time.Since(began))
	if d.o.Traffic > 0 {
		traffic, err := d.startTraffic()
		if err != nil {
			return err
		}
		defer report(ctx, d.o.Out, traffic)()
		defer traffic.Stop()
	}
	err = a.Wait(ctx)
	fmt.Fprintln(d.o.Out, "\nOrderflow is stopping: what is in hand is finished first …")
	return err
}

// openShop makes a demo merchant; with traffic it acts on its notices.
func (d *dev) openShop(key string) (*demo.Merchant, error) {
	return demo.New(demo.Options{
		Secret: devEndpointSecret, API: d.cfg.BaseURL(), Key: key, AutoDeliver: d.o.Traffic > 0, Log: d.log.Named("demo"),
	})
}

func (d *dev) startTraffic() (*loadgen.Traffic, error) {
	return loadgen.Start(loadgen.Options{
		API: d.cfg.BaseURL(), Key: devAppKey, OperatorKey: devOperatorKey, Rate: d.o.Traffic,
		MerchantID: devMerchant, SlowMerchantID: devSlowMerchant, SKU: devSKU, Log: d.log.Named("traffic"),
	})
}

// startServers finds or starts PostgreSQL and Redis and brings the schema up.
func (d *dev) startServers(ctx context.Context) error {
	if d.cfg.Database.URL != "" {
		d.servers = append(d.servers, "PostgreSQL  yours, "+config.RedactURL(d.cfg.Database.URL))
	} else {
		s, err := embedded.PostgreSQL(ctx, embedded.Options{Dir: d.file("postgres"), Durable: !d.o.Ephemeral, Log: d.log.Named("postgresql")})
		if err != nil {
			return err
		}
		d.cleanups = append(d.cleanups, s.Stop)
		d.cfg.Database.URL = s.URL
		d.servers = append(d.servers, "PostgreSQL  "+s.What)
	}
	if d.cfg.Redis.URL != "" {
		if err := reachRedis(ctx, d.cfg.Redis); err != nil {
			return err
		}
		d.servers = append(d.servers, "Redis       yours, "+config.RedactURL(d.cfg.Redis.URL))
		return nil
	}
	s, err := embedded.Redis(ctx, embedded.Options{Log: d.log.Named("redis")})
	if err != nil {
		return err
	}
	d.cleanups = append(d.cleanups, s.Stop)
	d.cfg.Redis.URL = s.URL
	d.servers = append(d.servers, "Redis       "+s.What)
	return nil
}

// file is a path for data that stay, or "" when nothing does.
func (d *dev) file(name string) string {
	if d.o.Ephemeral {
		return ""
	}
	if path, err := filepath.Abs(filepath.Join(d.o.Dir, name)); err == nil {
		return path
	}
	return filepath.Join(d.o.Dir, name)
}

func (d *dev) stop() {
	for i := len(d.cleanups) - 1; i >= 0; i-- {
		d.cleanups[i]()
	}
}

// leaveNote tells the other commands, run in the same directory, where the
// servers are.
func (d *dev) leaveNote() {
	if d.o.Ephemeral {
		return
	}
	path := d.file(noteName)
	if err := writeNote(path, note{PID: os.Getpid(), Database: d.cfg.Database.URL, Redis: d.cfg.Redis.URL, Public: d.cfg.BaseURL()}); err != nil {
		d.log.Warn("the other commands will not find this server by themselves", zap.Error(err))
		return
	}
	d.cleanups = append(d.cleanups, func() { _ = os.Remove(path) })
}

// loopbackOnly refuses to show the fixed development keys to a network.
func loopbackOnly(addr string) error {
	if isLoopback(addr) {
		return nil
	}
	here := "127.0.0.1:8080"
	if _, port, err := net.SplitHostPort(addr); err == nil {
		here = net.JoinHostPort("127.0.0.1", port)
	}
	return fmt.Errorf("dev listens on loopback only, because its keys are known to everyone: use --http %s, or `orderflow serve` for a service that others reach", here)
}
