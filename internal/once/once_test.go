package once_test

import (
	"errors"
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
	require.False(t, errors.As(fmt.Errorf("x: %w", once.ErrReused), &before), "another request's key is no replay")
}
