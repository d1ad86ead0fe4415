package intake

import "time"

// Work is what one look finds of a line of tasks.
type Work struct {
	Owed int   // that are due and not done
	Done int64 // that were done since the count began; it may begin anew
}

const (
	// atWork is how many may be owed without being a queue: somebody is at them.
	atWork = 64
	// over is how long the pace is measured.
	over = time.Second
	// standstill is after how long without any progress this is no overload but an
	// outage, which refusing orders does not mend: what is owed is safe, and waits.
	standstill = 5 * time.Second
)

// line tells how long the wait is at the end of a queue, by Little's law: as
// many as stand in it, by the pace at which they get through. The age of the
// first in the queue would tell what it was like when he came.
type line struct {
	looks []look // since there is a queue, the last second of them
	moved time.Time
	wait  time.Duration
}

type look struct {
	Work
	at time.Time
}

// see takes a look in and says how long the wait is. Where there is no queue,
// and while its pace is not known, it is 0.
func (q *line) see(w Work, now time.Time) time.Duration {
	if n := len(q.looks); n > 0 && w.Done < q.looks[n-1].Done {
		q.forget() // the count has begun anew
	}
	if w.Owed <= atWork {
		q.forget()
		return 0
	}
	q.looks = append(q.looks, look{w, now})
	for len(q.looks) > 2 && now.Sub(q.looks[1].at) >= over {
		q.looks = q.looks[1:]
	}
	first := q.looks[0]
	done, took := w.Done-first.Done, now.Sub(first.at)
	switch {
	case done > 0:
		q.moved = now
		q.wait = time.Duration(float64(w.Owed-atWork) / float64(done) * float64(took))
	case q.moved.IsZero():
		q.moved = now
	case now.Sub(q.moved) > standstill:
		q.wait = 0
	}
	return q.wait
}

// forget is for when there is no queue, or nothing is known of it.
func (q *line) forget() { *q = line{} }
