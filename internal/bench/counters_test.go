package bench

import (
	"context"
	"os"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
)

func TestTheCPUOfAProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells in /proc")
	}
	before, ok := cpuOf(os.Getpid())
	require.True(t, ok)
	after := before
	for n := 0; after == before; n++ { // until a tick was used
		after, _ = cpuOf(os.Getpid())
	}
	require.Greater(t, after, before)
	_, ok = cpuOf(0)
	require.False(t, ok)
	require.NotContains(t, cpuNow(map[string]int{"gone": 1 << 30}), "gone")
}

func TestPostgreSQLTellsWhatItDid(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.URL(t))
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	s, err := postgresSums(t.Context(), conn, conn.Config().Database, false)
	require.NoError(t, err)
	require.Positive(t, s["commits"])
	require.Contains(t, s, "wal_bytes")
	require.Contains(t, s, "fsyncs")
	require.NotContains(t, s, "statements")
}

func TestSumsThatWentBackAreLeftOut(t *testing.T) {
	t.Parallel()
	require.Equal(t, sums{"a": 2, "b": 0}, sums{"a": 3, "b": 1, "reset": 1, "new": 1}.since(sums{"a": 1, "b": 1, "reset": 2}))
}

func TestANamedDatabase(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://u:p@h:5432/orders":                 "postgres://u:p@h:5432/fresh",
		"postgres://u@h/orders?sslmode=disable&x=a://": "postgres://u@h/fresh?sslmode=disable&x=a://",
		"postgres://u@/orders?host=/tmp/x":             "postgres://u@/fresh?host=/tmp/x",
		"postgres://h":                                 "postgres://h/fresh",
	} {
		got, err := named(url, "fresh")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := named("host=h dbname=orders", "fresh")
	require.ErrorContains(t, err, "postgres://")
}
