package simulation

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
)

// weather is what befalls a whole world.
type weather struct {
	storms []storm
	mu     sync.Mutex // guards dice
	dice   dice
	breaks float64 // the chance that a call to the store loses its connection
	always simulator.Faults
}

// storm is one thing that happens at a time.
type storm struct {
	at   time.Duration
	name string
	do   func(w *world, d dice)
}

var storms = []way[func(*world, dice)]{
	{4, "a process is killed", (*world).killOne},
	{2, "two processes for a while", (*world).second},
	{2, "a new release", func(w *world, _ dice) { w.changeGuard(lively) }},
	{3, "Redis is emptied", func(w *world, _ dice) { w.memory.FlushAll() }},
	{2, "Redis is away", (*world).redisAway},
	{4, "the channel is in trouble", (*world).channelTrouble},
	{2, "the database cuts everybody off", (*world).cutOff},
}

// forecast says what will happen. In one world of five nothing does.
func (w *world) forecast(d dice) *weather {
	f := &weather{dice: d.of("luck"), always: simulator.Faults{CloseUnseen: d.chance(0.4)}}
	require.NoError(w, w.channel.SetFaults(f.always))
	if d.chance(0.2) {
		return f
	}
	f.breaks = 0.003
	for i := range 2 + d.IntN(8) {
		s := pick(d, storms)
		f.storms = append(f.storms, storm{d.between(0, arrivals+15*time.Minute), s.name, func(w *world, _ dice) { s.do(w, d.of(fmt.Sprint(i))) }})
	}
	return f
}

func (f *weather) String() string {
	names := []string{"lost calls"}
	if f.breaks == 0 {
		names[0] = "calm"
	}
	for _, s := range f.storms {
		names = append(names, fmt.Sprintf("%s at %s", s.name, s.at))
	}
	return strings.Join(names, ", ")
}

// storm lets the weather come as forecast.
func (w *world) storm() {
	for _, s := range w.weather.storms {
		w.act(func() {
			pause(s.at)
			s.do(w, w.weather.dice)
		})
	}
}

// luck is what befalls one call to the store.
func (w *world) luck() luck {
	if w.weather.breaks == 0 || time.Since(w.began) > bustle {
		return good
	}
	w.weather.mu.Lock()
	defer w.weather.mu.Unlock()
	switch x := w.weather.dice.Float64(); {
	case x < w.weather.breaks/2:
		return broken
	case x < w.weather.breaks:
		return unsure
	}
	return good
}

// killOne kills a process; the next one comes at once or a while later.
func (w *world) killOne(d dice) {
	alive := w.living()
	if len(alive) == 0 {
		return
	}
	alive[d.IntN(len(alive))].kill()
	if len(alive) > 1 && d.chance(0.5) {
		return
	}
	if d.chance(0.7) {
		pause(d.between(0, 2*time.Minute))
	}
	w.start(lively)
}

// second has two processes do the work side by side.
func (w *world) second(d dice) {
	p := w.start(lively)
	pause(d.between(time.Minute, 10*time.Minute))
	if !p.dead.Load() && len(w.living()) > 1 {
		p.stop()
	}
}

func (w *world) redisAway(d dice) {
	w.memory.away.Store(true)
	for _, p := range w.living() {
		p.cable.pull(false)
	}
	pause(d.between(time.Second, 2*time.Minute))
	w.memory.away.Store(false)
}

// channelTrouble has the gateway fail in one way for a while; its pay page goes
// on.
func (w *world) channelTrouble(d dice) {
	kinds := []simulator.GatewayFaultKind{
		simulator.GatewayError, simulator.GatewayThrottle, simulator.GatewayBalanceShort, simulator.GatewayLost, simulator.GatewayReset, simulator.GatewayHang,
	}
	methods := []string{"", "", sandbox.MethodQuery, sandbox.MethodClose, sandbox.MethodRefund, sandbox.MethodQueryRefund}
	trouble := simulator.GatewayFault{Kind: kinds[d.IntN(len(kinds))], Method: methods[d.IntN(len(methods))]}
	in := w.weather.always
	in.Gateway = trouble
	require.NoError(w, w.channel.SetFaults(in))
	pause(d.between(2*time.Second, 8*time.Minute))
	require.NoError(w, w.channel.SetFaults(w.weather.always))
}

// cutOff ends every connection of the processes to the database, whatever is
// under way on it.
func (w *world) cutOff(dice) {
	_, err := w.books.ExecContext(w.ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'process %'`)
	require.NoError(w, err)
}
