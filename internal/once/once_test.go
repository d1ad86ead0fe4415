package once_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/once"
)

func TestAReplayIsFoundThroughWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("create order: %w", &once.Replay{Status: 201, Body: []byte("{}")})
	var before *once.Replay
	require.ErrorAs(t, err, &before)
	require.Equal(t, 201, before.Status)
	require.Equal(t, "{}", string(before.Body))
	require.NotErrorIs(t, err, once.ErrReused)
	require.NotErrorAs(t, fmt.Errorf("x: %w", once.ErrReused), &before, "another request's key is no replay")
}
