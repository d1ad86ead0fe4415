package monitor

import (
	"errors"
	"regexp"
	"sync"

	"go.uber.org/zap"
)

// troubles logs what goes wrong, and that it is well again, once each: probes
// and scrapes come every few seconds and would fill a log.
type troubles struct {
	log *zap.Logger
	mu  sync.Mutex
	bad map[string]bool
}

func newTroubles(log *zap.Logger) *troubles {
	if log == nil {
		log = zap.NewNop()
	}
	return &troubles{log: log, bad: map[string]bool{}}
}

// note is told of every reading of what; err is nil when it went well, and when
// not, advice goes with it.
func (t *troubles) note(what string, err error, advice ...zap.Field) {
	if errors.Is(err, errStopped) {
		return
	}
	t.mu.Lock()
	was := t.bad[what]
	t.bad[what] = err != nil
	t.mu.Unlock()
	switch {
	case err != nil && !was:
		t.log.Warn("cannot read a dependency", append(advice, zap.String("dependency", what), zap.String("error", scrub(err.Error())))...)
	case err == nil && was:
		t.log.Info("a dependency can be read again", zap.String("dependency", what))
	}
}

// scrub takes the user and password out of URLs and connection strings.
func scrub(s string) string {
	s = urlUser.ReplaceAllString(s, "://***@")
	return password.ReplaceAllString(s, "${1}***")
}

var (
	urlUser  = regexp.MustCompile(`://[^\s/?#]*@`)
	password = regexp.MustCompile(`(?i)((?:password|passwd|secret|token)\s*[=:]\s*)('[^']*'|"[^"]*"|[^\s&]+)`)
)
