package trade

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Settings are what both services are started with. The servers come from
// DATABASE_URL and REDIS_URL.
type Settings struct {
	Listen   string
	Migrate  bool // make the tables and end
	Database string
	Redis    string
}

// ReadSettings reads flags and environment.
func ReadSettings() Settings {
	s := Settings{Database: os.Getenv("DATABASE_URL"), Redis: os.Getenv("REDIS_URL")}
	flag.StringVar(&s.Listen, "listen", "127.0.0.1:18080", "address to listen on")
	flag.BoolVar(&s.Migrate, "migrate", false, "make the tables in an empty database, and end")
	flag.Parse()
	return s
}

// Door is a service's two routes.
type Door interface {
	CreateOrder(http.ResponseWriter, *http.Request)
	Callback(http.ResponseWriter, *http.Request)
}

// Serve answers requests until the process is asked to end.
func Serve(addr string, d Door) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", d.CreateOrder)
	mux.HandleFunc("POST /payments/callback", d.Callback)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		<-ctx.Done()
		limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(limited)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-gone
}
