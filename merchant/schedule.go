package merchant

import "time"

// Schedule is the waits between tries to tell one endpoint one thing: the n-th
// try that failed is followed by the n-th wait. After the last it is not tried
// by itself any more.
type Schedule []time.Duration

// scheduleJitter is ±20 %: what failed together does not come back together.
const scheduleJitter = 0.2

// UsualSchedule is 14 tries over 71 hours: the first is at once.
func UsualSchedule() Schedule {
	const s, m, h = time.Second, time.Minute, time.Hour
	return Schedule{5 * s, 15 * s, 30 * s, 3 * m, 10 * m, 20 * m, 30 * m, h, 3 * h, 6 * h, 12 * h, 24 * h, 24 * h}
}

// After is the wait after the n-th failed try (n ≥ 1), and whether there is
// one. unit is a random number in [0,1). An empty schedule is the usual one.
func (s Schedule) After(n int, unit float64) (time.Duration, bool) {
	if len(s) == 0 {
		s = UsualSchedule()
	}
	if n > len(s) {
		return 0, false
	}
	wait := s[max(n, 1)-1]
	return wait + time.Duration(float64(wait)*scheduleJitter*(2*unit-1)), true
}

// ScheduleOf is a schedule whose waits are given in seconds; of none it is nil. A
// wait that is far out of bounds stays out of them: CheckSchedule says so.
func ScheduleOf(seconds []int64) (s Schedule) {
	const most = int64(MaxWait/time.Second) + 1
	for _, n := range seconds {
		s = append(s, time.Duration(min(max(n, -1), most))*time.Second)
	}
	return s
}

// Seconds are the waits in seconds; of no schedule they are nil.
func (s Schedule) Seconds() (seconds []int64) {
	for _, wait := range s {
		seconds = append(seconds, int64(wait/time.Second))
	}
	return seconds
}
