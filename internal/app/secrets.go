package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/seal"
)

// OpenDB opens the settings' database with the keys of its secrets.
func OpenDB(ctx context.Context, cfg config.Config, maxConns int) (*db.DB, error) {
	keys, err := seal.New(cfg.Secrets.Keys...)
	if err != nil {
		return nil, fmt.Errorf("secrets_keys: %w", err)
	}
	return db.Open(ctx, cfg.Database.URL, maxConns, db.SealedBy(keys))
}

// checkSecrets refuses to start a part that writes or reads merchants' secrets
// without a key for them. A database that is away, or not up to date, says so
// elsewhere.
func (a *App) checkSecrets(ctx context.Context) error {
	if !a.cfg.Roles.Has(config.API) && !a.cfg.Roles.Has(config.Worker) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	counts, err := a.db.SecretCounts(limited)
	if err != nil {
		a.log.Debug("whether there is a key for every secret is not known yet", zap.Error(err))
		return nil
	}
	s := standing(counts, a.cfg.Secrets)
	if len(a.cfg.Secrets.Keys) == 0 && s.all > 0 {
		return fmt.Errorf("%d secrets of merchants' endpoints are in the database, and no key is set that encrypts them: "+
			"set ORDERFLOW_SECRETS_KEYS to the keys that they were sealed with%s; when there never were any, `orderflow secrets generate` makes one", s.all, named(s.lost))
	}
	if advice := s.advice(); advice != "" {
		a.log.Warn("secrets of merchants want attention: "+advice, zap.String("secrets", s.String()))
	}
	return nil
}

// secretsStanding is how many secrets are sealed, and how.
type secretsStanding struct {
	all, plain int64
	first      string // the key that seals; "" when there is none
	current    int64  // sealed with the first
	older      int64  // sealed with another that is set
	lost       []string
	closed     int64 // sealed with one that is not
}

func standing(counts []db.SecretCount, c config.Secrets) (s secretsStanding) {
	set := map[string]bool{}
	for i, k := range c.Keys {
		set[k.ID] = true
		if i == 0 {
			s.first = k.ID
		}
	}
	for _, n := range counts {
		s.all += n.Secrets
		switch {
		case n.Key == "":
			s.plain += n.Secrets
		case n.Key == s.first:
			s.current += n.Secrets
		case set[n.Key]:
			s.older += n.Secrets
		default:
			s.closed += n.Secrets
			s.lost = append(s.lost, n.Key)
		}
	}
	return s
}

func (s secretsStanding) String() string {
	if s.all == 0 {
		return "none"
	}
	var parts []string
	for _, part := range []struct {
		n    int64
		what string
	}{
		{s.current, "sealed with " + s.first},
		{s.older, "sealed with another key"},
		{s.closed, "sealed with a key that is not set" + named(s.lost)},
		{s.plain, "plain"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// advice is what to do; "" when all is well.
func (s secretsStanding) advice() string {
	switch {
	case s.first == "" && s.closed > 0:
		return "put the key back into ORDERFLOW_SECRETS_KEYS: until then no endpoint is told anything, and none can be made; when it is lost, make another with `orderflow secrets generate`, and `orderflow endpoint rotate --overlap 0` gives an endpoint a new secret"
	case s.first == "":
		return "no endpoint can be made: make a key with `orderflow secrets generate` and set ORDERFLOW_SECRETS_KEYS"
	case s.closed > 0:
		return "put the key back behind the others in ORDERFLOW_SECRETS_KEYS; when it is lost, `orderflow endpoint rotate --overlap 0` gives an endpoint a new secret"
	case s.plain+s.older > 0:
		return "when every process knows the first key, run `orderflow secrets reseal`"
	}
	return ""
}

func named(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return " (" + strings.Join(ids, ", ") + ")"
}
