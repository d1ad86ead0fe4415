package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/merchant"
)

// What is usual, and how far it may go, is the merchants' package's to say; the
// settings repeat it, as they know no other package.
func TestTheWindowThatCanBeSet(t *testing.T) {
	t.Parallel()
	with := func(window string) (config.Config, error) {
		return config.Load(config.Sources{Env: func() []string { return []string{"ORDERFLOW_WORKERS_ENDPOINT_WINDOW=" + window} }})
	}
	usual, err := with("")
	require.NoError(t, err)
	require.Equal(t, merchant.UsualWindow, usual.Workers.EndpointWindow)
	widest, err := with("64")
	require.NoError(t, err)
	require.Equal(t, merchant.MaxWindow, widest.Workers.EndpointWindow)
	for _, wrong := range []string{"0", "65", "-1", "many"} {
		_, err := with(wrong)
		require.ErrorContains(t, err, "workers.endpoint_window", wrong)
	}
}
