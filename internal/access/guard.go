package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
)

// Keys is where keys are kept. A key that is not there, or was revoked, is
// ErrUnknownKey; every other error is trouble of the store's own.
type Keys interface {
	Principal(ctx context.Context, hash [32]byte) (Principal, error)
}

// Options of a Guard; what is zero takes the default.
type Options struct {
	KnownFor   time.Duration    // how long an answer is believed, and a revoked key may live on; 10 s
	UnknownFor time.Duration    // how long a key stays unknown after it is made; 2 s
	Size       int              // answers remembered of each sort; 4096
	Now        func() time.Time // time.Now
	Log        *zap.Logger      // what Require cannot tell its caller; none
	// FixedKeys lets keys in that NewKey did not make: the development keys, which
	// everybody knows. Without it they open nothing, wherever they are stored.
	FixedKeys bool
}

// Guard finds who is calling. It remembers answers for a while, so that the
// store sees a busy key once in ten seconds and a wrong one once in two. It
// remembers hashes, never keys. Safe for concurrent use.
type Guard struct {
	keys           Keys
	opts           Options
	known, unknown *memory
	flight         singleflight.Group
	asking         chan struct{} // a token for each question to the store in flight
}

const (
	// lookupLimit bounds one question to the store, whoever still waits for it.
	lookupLimit = 3 * time.Second
	// askingAtOnce leaves most of the store's connections to those who were let
	// in, whatever strangers try.
	askingAtOnce = 4
)

// NewGuard makes a guard that asks keys.
func NewGuard(keys Keys, o Options) *Guard {
	if o.KnownFor <= 0 {
		o.KnownFor = 10 * time.Second
	}
	if o.UnknownFor <= 0 {
		o.UnknownFor = 2 * time.Second
	}
	if o.Size <= 0 {
		o.Size = 4096
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	// Two memories, so that a flood of wrong keys cannot push the right ones out.
	return &Guard{
		keys: keys, opts: o,
		known: newMemory(o.Size), unknown: newMemory(o.Size), asking: make(chan struct{}, askingAtOnce),
	}
}

// Refused says whether err means that the caller must come with another key
// (401). Any other error of Authenticate is ours, and passes (503).
func Refused(err error) bool {
	return errors.Is(err, ErrNoKey) || errors.Is(err, ErrMalformed) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrUnknownKey)
}

// Authenticate finds whose key a request shows. See Refused for its errors.
func (g *Guard) Authenticate(ctx context.Context, r *http.Request) (Principal, error) {
	key, err := keyOf(r.Header)
	if err != nil {
		return Principal{}, err
	}
	// Keys are found by their hash and never compared byte by byte, so there is
	// no comparison whose duration could teach a stranger anything: to steer the
	// look-up one would have to find a SHA-256 preimage.
	if !g.opts.FixedKeys && !strings.HasPrefix(key, keyPrefix) {
		return Principal{}, ErrUnknownKey
	}
	hash, now := Hash(key), g.opts.Now()
	if p, ok := g.known.get(hash, now); ok {
		return p, nil
	}
	if _, ok := g.unknown.get(hash, now); ok {
		return Principal{}, ErrUnknownKey
	}
	return g.lookUp(ctx, hash)
}

// lookUp asks the store once for all who wait for the same key. The question
// outlives the caller who began it, since others may be waiting.
func (g *Guard) lookUp(ctx context.Context, hash [32]byte) (Principal, error) {
	answer := g.flight.DoChan(string(hash[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupLimit)
		defer cancel()
		return g.ask(ctx, hash)
	})
	select {
	case <-ctx.Done():
		return Principal{}, fmt.Errorf("look up a key: %w", ctx.Err())
	case a := <-answer:
		p, _ := a.Val.(Principal)
		return p, a.Err
	}
}

func (g *Guard) ask(ctx context.Context, hash [32]byte) (Principal, error) {
	select {
	case g.asking <- struct{}{}:
		defer func() { <-g.asking }()
	case <-ctx.Done():
		return Principal{}, fmt.Errorf("wait to look up a key: %w", ctx.Err())
	}
	now := g.opts.Now() // before the question: an answer ages from when it was true
	p, err := g.keys.Principal(ctx, hash)
	switch {
	case err == nil:
		g.known.put(hash, p, now.Add(g.opts.KnownFor))
		return p, nil
	case errors.Is(err, ErrUnknownKey):
		g.unknown.put(hash, Principal{}, now.Add(g.opts.UnknownFor))
		return Principal{}, ErrUnknownKey
	}
	return Principal{}, fmt.Errorf("look up a key: %w", err)
}
