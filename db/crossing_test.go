package db_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who was ended may be quicker than who was let through, and end again.
func TestADeadlockIsTriedUntilItIsThrough(t *testing.T) {
	b := newBench(t)
	seedMerchant(t, b)
	e := endpoint("m_1", "whsec_1")
	require.NoError(t, b.CreateEndpoint(b.ctx, e))
	run(t, b.DB, "CREATE SEQUENCE met; "+
		"CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS "+
		"$$ BEGIN IF nextval('met') % 4 > 0 THEN RAISE SQLSTATE '40P01'; END IF; RETURN NULL; END $$; "+
		"CREATE TRIGGER meet AFTER INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION meet(); "+
		"CREATE TRIGGER meet AFTER DELETE ON endpoints FOR EACH STATEMENT EXECUTE FUNCTION meet()")

	require.NoError(t, b.DeleteEndpoint(b.ctx, "m_1", e.ID, b.now()))
	o, _ := b.draft("A", 1)
	require.NoError(t, b.Create(b.ctx, o, nil))

	var met int
	require.NoError(t, b.NewRaw("SELECT last_value FROM met").Scan(b.ctx, &met))
	require.Equal(t, 8, met)
}
