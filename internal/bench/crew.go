package bench

import (
	"context"
	"errors"
)

// member is one process of a service that several are together.
type member struct {
	name  string // as its CPU time is shown
	roles string // that it plays
}

// colleague is a member beside the first, as it runs.
type colleague struct {
	*service
	name string
	addr string
}

// title is how the first process is called.
func (r *run) title() string {
	if len(r.crew) == 0 {
		return "app"
	}
	return r.crew[0].name
}

// openOthers starts the rest of the crew, each at an address of its own.
func (r *run) openOthers(ctx context.Context) error {
	for _, m := range r.crew[min(1, len(r.crew)):] {
		place := r.site
		place.roles, place.pprof = m.roles, ""
		var err error
		if place.addr, err = freeAddr(ctx); err != nil {
			return err
		}
		s, err := startService(ctx, r.system, place)
		if err != nil {
			return err
		}
		r.others = append(r.others, &colleague{s, m.name, place.addr})
	}
	return nil
}

// deserted says whether one of the others has ended by itself.
func (r *run) deserted() bool {
	for _, o := range r.others {
		select {
		case <-o.child.Done():
			return true
		default:
		}
	}
	return false
}

// stopOthers ends them all at once: each waits for what it has in hand.
func (r *run) stopOthers() error {
	ended := make(chan error, len(r.others))
	for _, o := range r.others {
		go func() { ended <- o.stop() }()
	}
	var errs []error
	for range r.others {
		errs = append(errs, <-ended)
	}
	r.others = nil
	return errors.Join(errs...)
}

// addrs are where the processes of the service listen.
func (r *run) addrs() []string {
	list := []string{r.site.addr}
	for _, o := range r.others {
		list = append(list, o.addr)
	}
	return list
}
