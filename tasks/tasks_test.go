package tasks_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// kinds are the Kind constants as the source declares them.
func kinds(t *testing.T) (list []tasks.Kind) {
	t.Helper()
	for _, s := range constants(t, "tasks.go", "Kind") {
		list = append(list, tasks.Kind(s))
	}
	return list
}

// constants are the values of a type's constants in a source file.
func constants(t *testing.T, file, typ string) (list []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	ast.Inspect(parsed, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == typ {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			list = append(list, s)
		}
		return true
	})
	require.NotEmpty(t, list)
	return list
}

func TestEveryKindHasASpec(t *testing.T) {
	t.Parallel()
	require.Len(t, tasks.Specs(), len(kinds(t)))
	for _, k := range kinds(t) {
		s, err := tasks.SpecOf(k)
		require.NoError(t, err)
		require.Equal(t, k, s.Kind)
		require.Contains(t, tasks.Queues(), s.Queue)
		require.Positive(t, s.Limit)
		require.NotEmpty(t, s.Retry.Steps)
	}
	_, err := tasks.SpecOf("coffee:make")
	require.ErrorContains(t, err, "coffee:make")

	tasks.Specs()[0].Kind = "changed"
	require.NotEqual(t, tasks.Kind("changed"), tasks.Specs()[0].Kind, "nobody can change the table")
}

// The agreed waits, each ladder to its end: a step that is changed, lost or
// added is seen here.
func TestLadders(t *testing.T) {
	t.Parallel()
	const h = time.Hour
	for _, tc := range []struct {
		kind    tasks.Kind
		queue   tasks.Queue
		waits   int
		sum     time.Duration
		last    time.Duration
		forever bool
	}{
		{tasks.PaymentConfirm, tasks.Critical, 7, 408 * time.Second, 5 * time.Minute, true},
		{tasks.PaymentQuery, tasks.Default, 8, h + 48*time.Minute + 45*time.Second, h, true},
		{tasks.ChannelClose, tasks.Default, 9, 18*time.Minute + 53*time.Second, 10 * time.Minute, true},
		{tasks.OrderClose, tasks.Closing, 7, 408 * time.Second, 5 * time.Minute, true},
		{tasks.DeliveryNotify, tasks.Notices, 13, 71*h + 3*time.Minute + 50*time.Second, 24 * h, false},
		{tasks.MerchantNotify, tasks.News, 13, 71*h + 3*time.Minute + 50*time.Second, 24 * h, false},
		{tasks.PaymentReturn, tasks.Default, 7, 408 * time.Second, 5 * time.Minute, true},
		{tasks.DeliveryDeadline, tasks.Default, 7, 408 * time.Second, 5 * time.Minute, true},
		{tasks.DeliveryRevoke, tasks.Default, 7, 408 * time.Second, 5 * time.Minute, true},
		{tasks.OrderComplete, tasks.Low, 7, 408 * time.Second, 5 * time.Minute, true},
		{tasks.RefundSubmit, tasks.Default, 9, h + 48*time.Minute + 50*time.Second, h, true},
		{tasks.RefundQuery, tasks.Default, 10, 26*h + 9*time.Minute, 24 * h, true},
		{tasks.MaintenanceRun, tasks.Low, 4, h + 36*time.Minute, h, true},
		{tasks.AlertSend, tasks.Critical, 29, 23*h + 21*time.Minute + 50*time.Second, h, false},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			t.Parallel()
			s, err := tasks.SpecOf(tc.kind)
			require.NoError(t, err)
			require.Equal(t, tc.queue, s.Queue)
			require.Equal(t, tc.forever, s.Retry.Forever)
			var sum, before time.Duration
			for n := 1; n <= tc.waits; n++ {
				wait, again := s.Retry.After(n, 0.5)
				require.True(t, again, "after %d failed tries", n)
				require.GreaterOrEqual(t, wait, before, "waits never get shorter")
				sum, before = sum+wait, wait
			}
			require.Equal(t, tc.sum, sum)
			require.Equal(t, tc.last, before)
			wait, again := s.Retry.After(tc.waits+1, 0.5)
			require.Equal(t, tc.forever, again)
			if tc.forever {
				require.Equal(t, tc.last, wait, "it goes on")
			}
			first, _ := s.Retry.After(0, 0.5)
			again1, _ := s.Retry.After(1, 0.5)
			require.Equal(t, again1, first)
		})
	}
}

func TestJitterStaysInItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(tasks.Specs()).Draw(t, "spec")
		n := rapid.IntRange(1, len(s.Retry.Steps)).Draw(t, "try")
		step := s.Retry.Steps[n-1]
		got, again := s.Retry.After(n, rapid.Float64Range(0, 1).Draw(t, "unit"))
		most := time.Duration(float64(step) * s.Retry.Jitter)
		if !again || got < step-most-1 || got > step+most+1 || got <= 0 {
			t.Fatalf("%s after try %d: %s, want %s ± %s", s.Kind, n, got, step, most)
		}
	})
	for _, s := range tasks.Specs() {
		require.Positive(t, s.Retry.Jitter, "%s: failures that began together must not come back together", s.Kind)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	k := tasks.About(tasks.PaymentQuery, ident.WithPart[order.Attempt](id, 3))
	require.Equal(t, "payment:query/"+ident.WithPart[order.Attempt](id, 3).String(), k.String())
	require.Equal(t, id, k.Order())

	s, err := tasks.SubjectOf(k.Subject.String())
	require.NoError(t, err)
	require.Equal(t, k.Subject, s)
	for _, kind := range []tasks.Kind{tasks.AlertSend, tasks.MaintenanceRun} {
		k.Kind = kind
		require.Zero(t, k.Order(), "%s changes no order, whatever its number looks like", kind)
	}
	_, err = tasks.SubjectOf("order 42")
	require.ErrorContains(t, err, `"order 42" is not a task's subject`)
}

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	r := tasks.Row{Key: tasks.About(tasks.OrderClose, ident.New[order.Order]()), DueAt: time.Unix(1, 0)}
	require.Equal(t, tasks.Place{At: time.Unix(1, 0), Key: r.Key}, tasks.PlaceOf(r))
	r.DeadAt = time.Unix(2, 0)
	require.Equal(t, tasks.Place{At: time.Unix(2, 0), Key: r.Key}, tasks.PlaceOf(r))
	require.Equal(t, []tasks.State{tasks.Waiting, tasks.Overdue, tasks.Dead}, tasks.States())
}
