// Package embedded runs the servers that Orderflow needs when nobody names
// any: a private PostgreSQL and a private Redis, for `orderflow dev`, for
// `orderflow bench` and for tests, never for production.
//
// They are children of this process and never outlive it, even when it is
// killed; nobody but this account can reach them; and a terminal's Ctrl-C does
// not: they go when Stop is called, after those who use them. PostgreSQL is
// always the real one, from the machine's own packages or downloaded once.
// Redis may be a small stand-in inside this process, since it holds nothing
// that PostgreSQL cannot restore.
package embedded

import (
	"sync"

	"go.uber.org/zap"
)

// Options says where a server lives and how much it must survive. The zero
// value is a server for one run, fast and forgetful.
type Options struct {
	// Dir is the server's own directory, made when missing and closed to
	// others; nothing else may be kept in it. Only one process at a time may
	// use it. Empty: a temporary directory, which Stop removes.
	Dir string
	// Durable makes a commit survive a power cut, and Redis keep what it was told
	// up to the last second. Without it PostgreSQL survives the death of this
	// process, except for the last second, but not the machine's, and Redis keeps
	// nothing.
	Durable bool
	// TCP lets PostgreSQL listen on loopback as well, with a password; the URL is
	// then that one. It is for programs that cannot speak to a socket's file.
	TCP bool
	// Settings are PostgreSQL's, such as "shared_buffers=1GB".
	Settings []string
	// Log hears of a download, of leftovers ended and of a server that dies by
	// itself. It may be nil.
	Log *zap.Logger

	find    func(program string) []string // where a program lies; nil: this machine's places
	mirror  string                        // whence PostgreSQL is downloaded; "": the library's default
	cache   string                        // where a download is kept; "": the account's cache
	runners func() []account              // who may run PostgreSQL; nil: this machine's accounts
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.find == nil {
		o.find = installed
	}
	return o
}

// Server is a running server. Stop it when done.
type Server struct {
	// URL reaches it, for pgx or for go-redis's ParseURL. Redis's holds a
	// password.
	URL string
	// What says in one line which server this is and where its data lie.
	What string
	// PID is the server's process, whose children belong to it; 0 for the
	// stand-in.
	PID int
	// InProcess says that it is the stand-in inside this process.
	InProcess bool

	stop func()
	once sync.Once
}

// Stop ends the server and returns when no process of it is left, within some
// twenty seconds. It may be called again, and by several at once.
func (s *Server) Stop() { s.once.Do(s.stop) }
