package alert

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/order"
)

func TestTheLogIsLoud(t *testing.T) {
	t.Parallel()
	core, lines := observer.New(zapcore.DebugLevel)
	a := fire()
	require.NoError(t, Log{zap.New(core)}.Send(t.Context(), "id-1", a))
	require.Equal(t, 1, lines.Len())
	line := lines.All()[0]
	require.Equal(t, zapcore.ErrorLevel, line.Level)
	require.Equal(t, "ALERT: "+a.Text, line.Message)
	require.Equal(t, map[string]any{"alert": "task_dead", "order": a.Order.String(), "alert_id": "id-1", "at": a.At}, line.ContextMap())

	a.Order = order.ID{}
	require.NoError(t, Log{zap.New(core)}.Send(t.Context(), "id-2", a))
	require.NotContains(t, lines.All()[1].ContextMap(), "order")
}

// A thousand alerts in one second are a thousand lines, however the log
// samples what repeats itself: the parameters are those of internal/app.
func TestNoAlertIsLostInAStorm(t *testing.T) {
	t.Parallel()
	core, lines := observer.New(zapcore.DebugLevel)
	l := Log{zap.New(zapcore.NewSamplerWithOptions(core, time.Second, 100, 100))}
	for i := range 1000 {
		a := fire()
		a.Text = "Task " + strconv.Itoa(i) + " is dead"
		require.NoError(t, l.Send(t.Context(), "id", a))
	}
	require.Equal(t, 1000, lines.Len())
}
