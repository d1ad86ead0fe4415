package workers

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// careful is an endpoint that answers what is signed with its own secret in one
// way, and all else in another.
type careful struct {
	secret         string
	signed, forged merchant.Attempt
	asked          int
}

func (c *careful) Send(_ context.Context, e merchant.Endpoint, _ merchant.Notice) merchant.Attempt {
	c.asked++
	a := c.forged
	if e.Secrets[0] == c.secret {
		a = c.signed
	}
	a.EndpointID, a.At = e.ID, time.Now()
	return a
}

func TestAnEndpointIsAskedWhetherItVerifies(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	for name, c := range map[string]struct {
		signed, forged merchant.Attempt
		state          string // of the endpoint
		every          time.Duration
		asked          int
		verifies       merchant.Verification
		again          time.Duration
	}{
		"it refuses the forgery":      {acknowledged(), answered(401, 0), "", week, 2, merchant.Verifies, week},
		"it takes the forgery":        {acknowledged(), acknowledged(), "", week, 2, merchant.DoesNotVerify, week},
		"it refuses both":             {answered(401, 0), answered(401, 0), "", week, 1, merchant.NotKnown, verifyAgain},
		"it has too much to do":       {acknowledged(), answered(503, 0), "", week, 2, merchant.NotKnown, verifyAgain},
		"one that fails is left":      {acknowledged(), acknowledged(), `{"state":"failing"}`, week, 0, merchant.NotKnown, verifyAgain},
		"and one that is disabled":    {acknowledged(), acknowledged(), `{"state":"disabled"}`, week, 0, merchant.NotKnown, verifyAgain},
		"nobody is where it is off":   {acknowledged(), acknowledged(), "", 0, 0, merchant.NotKnown, verifyAgain},
		"as often as it is asked for": {acknowledged(), answered(400, 0), "", time.Hour, 2, merchant.Verifies, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			e := b.endpoint()
			if c.state != "" {
				_, err := b.ExecContext(b.ctx, "UPDATE endpoints SET health = ? WHERE id = ?", c.state, e.ID)
				require.NoError(t, err)
			}
			to := &careful{secret: e.Secrets[0], signed: c.signed, forged: c.forged}
			b.deps.Sender, b.deps.VerifyEvery = to, c.every
			ask := tasks.About(tasks.EndpointVerify, e.ID)
			b.due(ask)
			require.Equal(t, []string{"endpoint:verify done"}, b.ran(ask))
			require.Equal(t, c.asked, to.asked)
			is, err := b.EndpointToVerify(b.ctx, e.ID, b.clock.now())
			require.NoError(t, err)
			require.Equal(t, c.verifies, is.Verifies)
			require.Equal(t, c.verifies == merchant.NotKnown, is.VerifiedAt.IsZero())
			require.Equal(t, c.again, b.row(ask).DueAt.Sub(b.clock.now()))
		})
	}
}

// One that hangs holds up no backlog: while it is asked, the others come later.
func TestOneEndpointIsAskedAtATime(t *testing.T) {
	b := newBench(t)
	hangs, other := b.endpoint(), b.endpoint()
	to := newHanging(b.sender, hangs)
	b.deps.Sender, b.deps.VerifyEvery = to, time.Hour
	w := newEndpointVerify(b.deps)
	ask := func(e merchant.Endpoint) time.Time {
		s := w.verify(b.ctx, tasks.Row{Key: tasks.About(tasks.EndpointVerify, e.ID)})
		next, owed := s.Verdict.Next(s.Row, b.clock.now())
		require.True(t, owed)
		return next.DueAt
	}
	asked := make(chan time.Time)
	go func() { asked <- ask(hangs) }()
	require.Equal(t, hangs.ID, <-to.began)
	require.WithinRange(t, ask(other), b.clock.now().Add(time.Second), b.clock.now().Add(time.Second+verifyInTurn))
	require.Zero(t, b.sender.told(other))
	close(to.at[hangs.ID])
	require.Equal(t, b.clock.now().Add(time.Hour), <-asked)
	require.Equal(t, b.clock.now().Add(time.Hour), ask(other))
}

// What becomes active is asked again; what is known of one URL says nothing about
// another.
func TestWhenItIsFoundOutAnew(t *testing.T) {
	b := newBench(t)
	e := b.endpoint()
	ask := tasks.About(tasks.EndpointVerify, e.ID)
	b.deps.Sender, b.deps.VerifyEvery = &careful{secret: e.Secrets[0], signed: acknowledged(), forged: acknowledged()}, time.Hour
	known := func() merchant.Verification {
		is, err := b.EndpointToVerify(b.ctx, e.ID, b.clock.now())
		require.NoError(t, err)
		return is.Verifies
	}
	soon := func() bool { return b.row(ask).DueAt.Sub(b.clock.now()) <= time.Minute }
	b.due(ask)
	b.ran(ask)
	require.Equal(t, merchant.DoesNotVerify, known())
	require.False(t, soon())

	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, true, b.clock.now()))
	require.False(t, soon())
	require.NoError(t, b.PauseEndpoint(b.ctx, b.seller, e.ID, false, b.clock.now()))
	require.True(t, soon(), "resumed")
	b.due(ask)
	b.ran(ask)

	was := e
	e.Ack = merchant.AckSuccess
	require.NoError(t, b.ChangeEndpoint(b.ctx, e, b.clock.now()))
	require.False(t, soon())
	e.URL += "/elsewhere"
	require.NoError(t, b.ChangeEndpoint(b.ctx, e, b.clock.now()))
	require.True(t, soon(), "it is elsewhere")
	require.Equal(t, merchant.NotKnown, known())
	require.NoError(t, b.Verified(b.ctx, was, merchant.Verifies, b.clock.now()))
	require.Equal(t, merchant.NotKnown, known(), "what was asked elsewhere comes too late")

	b.due(ask)
	b.ran(ask)
	require.False(t, soon())
	rotation := merchant.Rotation{Secret: merchant.NewSecret(), Overlap: time.Hour, At: b.clock.now()}
	require.NoError(t, b.RotateEndpoint(b.ctx, b.seller, e.ID, rotation))
	require.True(t, soon(), "it has another secret")

	require.NoError(t, b.DeleteEndpoint(b.ctx, b.seller, e.ID, b.clock.now()))
	b.due(ask)
	b.ran(ask)
	b.gone(ask)
}
