package db_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
)

func TestPing(t *testing.T) {
	t.Parallel()
	t.Run("is content with this release's schema, and a newer one", func(t *testing.T) {
		t.Parallel()
		d := dbtest.New(t)
		require.NoError(t, d.Ping(t.Context()))
		run(t, d, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999999, true)")
		require.NoError(t, d.Ping(t.Context()))
	})
	t.Run("asks for the steps that are missing", func(t *testing.T) {
		t.Parallel()
		d := dbtest.New(t)
		_, err := d.MigrateDown(t.Context())
		require.NoError(t, err)
		require.ErrorContains(t, d.Ping(t.Context()), "run orderflow migrate up")
		_, err = d.Migrate(t.Context())
		require.NoError(t, err)
		require.NoError(t, d.Ping(t.Context()))
	})
	t.Run("knows a database that was never migrated", func(t *testing.T) {
		t.Parallel()
		d := dbtest.New(t)
		run(t, d, "DROP TABLE goose_db_version")
		require.ErrorContains(t, d.Ping(t.Context()), "at version 0")
		require.NoError(t, d.Reach(t.Context()), "it answers all the same")
	})
	t.Run("a database that does not answer is another matter", func(t *testing.T) {
		t.Parallel()
		d, err := db.Open(t.Context(), "postgres://nobody@127.0.0.1:1/none?connect_timeout=1", 1)
		require.NoError(t, err)
		defer d.Close()
		err = d.Ping(t.Context())
		require.ErrorContains(t, err, "reach the database")
		require.NotContains(t, err.Error(), "migrate")
		require.ErrorContains(t, d.Reach(t.Context()), "reach the database")
	})
}
