package intake

import (
	"time"

	"go.uber.org/zap"
)

// episode is a time in which orders are refused. The log tells of its beginning
// and its end, never of the single order.
type episode struct {
	began, last time.Time
	refused     map[Reason]int64
	wait, lag   time.Duration // the longest
}

// note counts a refusal.
func (l *Limiter) note(reason Reason, wait time.Duration) {
	now := time.Now()
	if l.episode == nil {
		l.episode = &episode{began: now, refused: map[Reason]int64{}}
		l.o.Log.Warn("overloaded: a part of the new orders is refused",
			zap.String("reason", string(reason)), zap.Duration("wait", wait), zap.Duration("within", l.o.Within),
			zap.Duration("lag", l.lag), zap.Duration("behind", l.o.Behind))
	}
	e := l.episode
	e.last, e.wait, e.lag = now, max(e.wait, wait), max(e.lag, l.lag)
	e.refused[reason]++
	if l.o.Refused != nil {
		l.o.Refused(reason)
	}
}

// settle ends the episode when nobody was refused for a while.
func (l *Limiter) settle(now time.Time) {
	e := l.episode
	if e == nil || now.Sub(e.last) < quiet {
		return
	}
	l.episode = nil
	l.o.Log.Info("no longer overloaded: all new orders are let in",
		zap.Duration("took", e.last.Sub(e.began)), zap.Int64("refused_writing", e.refused[Writing]),
		zap.Int64("refused_confirming", e.refused[Confirming]), zap.Duration("longest_wait", e.wait), zap.Duration("longest_lag", e.lag))
}
