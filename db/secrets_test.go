package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/seal"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// safe is one database as processes with different keys see it.
type safe struct {
	*testing.T
	url string
}

func newSafe(t *testing.T) safe {
	t.Helper()
	return safe{t, dbtest.URL(t)}
}

// with is the database as a process with these keys sees it. A key's bytes
// follow from its name.
func (s safe) with(ids ...string) *db.DB {
	s.Helper()
	var keys []seal.Key
	for _, id := range ids {
		k := seal.Key{ID: id}
		copy(k.Secret[:], id)
		keys = append(keys, k)
	}
	ring, err := seal.New(keys...)
	require.NoError(s, err)
	d, err := db.Open(s.Context(), s.url, 4, db.SealedBy(ring))
	require.NoError(s, err)
	s.Cleanup(func() { _ = d.Close() })
	return d
}

// signs is what signs notices of the only endpoint of m_demo.
func (s safe) signs(d *db.DB, at time.Time) []string {
	s.Helper()
	list, err := d.SigningEndpoints(s.Context(), "m_demo", at)
	require.NoError(s, err)
	require.Len(s, list, 1)
	return list[0].Secrets
}

func (s safe) counts(d *db.DB) map[string]int64 {
	s.Helper()
	list, err := d.SecretCounts(s.Context())
	require.NoError(s, err)
	byKey := map[string]int64{}
	for _, c := range list {
		byKey[c.Key] = c.Secrets
	}
	return byKey
}

func (s safe) reseal(d *db.DB, at time.Time) db.ResealReport {
	s.Helper()
	r, err := d.Reseal(s.Context(), at, func(int64, int64) {})
	require.NoError(s, err)
	return r
}

func TestSecretsAreSealedInTheDatabase(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	d := s.with("k1")
	shop(t, d, "m_demo")
	e := endpoint("m_demo", merchant.NewSecret())
	require.NoError(t, d.CreateEndpoint(t.Context(), e))
	pair := merchant.NewKeyPair()
	require.NoError(t, d.RotateEndpoint(t.Context(), "m_demo", e.ID, rotation(pair)))

	var row string
	require.NoError(t, d.QueryRowContext(t.Context(), `SELECT endpoints::text FROM endpoints`).Scan(&row))
	for _, secret := range []string{e.Secrets[0], pair} {
		require.NotContains(t, row, secret[8:20])
	}
	require.Contains(t, row, "v1.k1.")
	require.Equal(t, map[string]int64{"k1": 2}, s.counts(d))
	require.Equal(t, []string{pair, e.Secrets[0]}, s.signs(d, nine))

	list, err := d.Endpoints(t.Context(), "m_demo")
	require.NoError(t, err)
	require.Equal(t, merchant.PublicKey(pair), list[0].PublicKey, "it is the merchant's to see")
}

func TestWithoutAKeyNothingIsKept(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	none := s.with()
	shop(t, none, "m_demo")
	e := endpoint("m_demo", "whsec_1")
	require.ErrorIs(t, none.CreateEndpoint(t.Context(), e), seal.ErrNoKey)
	require.NoError(t, s.with("k1").CreateEndpoint(t.Context(), e))
	require.ErrorIs(t, none.RotateEndpoint(t.Context(), "m_demo", e.ID, rotation("whsec_2")), seal.ErrNoKey)
	_, err := none.Reseal(t.Context(), nine, nil)
	require.ErrorIs(t, err, seal.ErrNoKey)
	_, err = none.SigningEndpoints(t.Context(), "m_demo", nine)
	require.ErrorContains(t, err, "none is set")
	list, err := none.Endpoints(t.Context(), "m_demo")
	require.NoError(t, err)
	require.Len(t, list, 1, "what needs no secret goes on")
}

// A secret that is copied into another row, of the same merchant or another,
// does not open there.
func TestAMovedSecretDoesNotOpen(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	d := s.with("k1")
	shop(t, d, "m_demo")
	shop(t, d, "m_other")
	mine, second, theirs := endpoint("m_demo", "whsec_1"), endpoint("m_demo", "whsec_2"), endpoint("m_other", "whsec_3")
	for _, e := range []merchant.Endpoint{mine, second, theirs} {
		require.NoError(t, d.CreateEndpoint(t.Context(), e))
	}
	const move = `UPDATE endpoints SET sealed_secrets = (SELECT sealed_secrets FROM endpoints WHERE id = ?) WHERE id = ?`
	for _, to := range []merchant.Endpoint{second, theirs} {
		_, err := d.ExecContext(t.Context(), move, mine.ID, to.ID)
		require.NoError(t, err)
		_, err = d.SigningEndpoints(t.Context(), to.MerchantID, nine)
		require.ErrorIs(t, err, seal.ErrAltered)
		require.ErrorContains(t, err, "open a secret of endpoint "+to.ID.String())
	}
	// Nor does the row itself when it is given to another merchant.
	_, err := d.ExecContext(t.Context(), `DELETE FROM endpoints WHERE id IN (?, ?)`, second.ID, theirs.ID)
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `UPDATE endpoints SET merchant_id = 'm_other'`)
	require.NoError(t, err)
	_, err = d.SigningEndpoints(t.Context(), "m_other", nine)
	require.ErrorIs(t, err, seal.ErrAltered)
	require.NoError(t, d.RotateEndpoint(t.Context(), "m_other", mine.ID, rotation("whsec_3")))
	_, err = d.SigningEndpoints(t.Context(), "m_other", nine)
	require.ErrorIs(t, err, seal.ErrAltered, "for the overlap the old one is missing")
	require.NoError(t, d.RotateEndpoint(t.Context(), "m_other", mine.ID, merchant.Rotation{Secret: "whsec_4", At: nine}), "a new secret is the way out")
	list, err := d.SigningEndpoints(t.Context(), "m_other", nine)
	require.NoError(t, err)
	require.Equal(t, []string{"whsec_4"}, list[0].Secrets)
}

func TestAnOldSecretSignsForTheOverlap(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	d := s.with("k1")
	shop(t, d, "m_demo")
	e := endpoint("m_demo", "whsec_1")
	require.NoError(t, d.CreateEndpoint(t.Context(), e))
	rotate := func(secret string, overlap time.Duration, at time.Time) {
		require.NoError(t, d.RotateEndpoint(t.Context(), "m_demo", e.ID, merchant.Rotation{Secret: secret, Overlap: overlap, At: at}))
	}
	rotate("whsec_2", time.Hour, nine)
	require.Equal(t, []string{"whsec_2", "whsec_1"}, s.signs(d, nine.Add(time.Hour-time.Microsecond)))
	require.Equal(t, []string{"whsec_2"}, s.signs(d, nine.Add(time.Hour)))
	rotate("whsec_3", 0, nine.Add(time.Minute))
	require.Equal(t, []string{"whsec_3"}, s.signs(d, nine.Add(time.Minute)), "at once")
}

func TestResealing(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	old, both, next := s.with("old"), s.with("next", "old"), s.with("next")
	shop(t, old, "m_demo")
	e := endpoint("m_demo", "whsec_1")
	require.NoError(t, old.CreateEndpoint(t.Context(), e))
	require.NoError(t, old.RotateEndpoint(t.Context(), "m_demo", e.ID, merchant.Rotation{Secret: "whsec_2", Overlap: time.Hour, At: nine}))

	_, err := next.SigningEndpoints(t.Context(), "m_demo", nine)
	var unknown *seal.UnknownKey
	require.ErrorAs(t, err, &unknown)
	r := s.reseal(next, nine)
	require.Zero(t, r.Endpoints)
	require.Len(t, r.Failed, 1, "it does not open, and stays as it is")
	require.ErrorContains(t, r.Failed[0], `sealed with the key "old"`)
	require.Equal(t, map[string]int64{"old": 2}, s.counts(old))

	require.Equal(t, db.ResealReport{Key: "next", Endpoints: 1}, s.reseal(both, nine))
	require.Equal(t, map[string]int64{"next": 2}, s.counts(next))
	require.Equal(t, []string{"whsec_2", "whsec_1"}, s.signs(next, nine), "the old key can be removed")
	require.Equal(t, []string{"whsec_2"}, s.signs(next, nine.Add(time.Hour)), "each expires when it would have")
	require.Zero(t, s.reseal(both, nine).Endpoints, "once more there is nothing to do")

	require.EqualValues(t, 1, s.reseal(next, nine.Add(time.Hour)).Endpoints)
	require.Equal(t, map[string]int64{"next": 1}, s.counts(next), "what has expired is forgotten")
}

// What the release before wrote is read, rotated and sealed; what it writes
// meanwhile is newer than what is sealed.
func TestPlainSecretsFromTheReleaseBefore(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	d := s.with("k1")
	downTo(t, d, 5)
	shop(t, d, "m_demo")
	e := endpoint("m_demo", "")
	_, err := d.ExecContext(t.Context(), `INSERT INTO endpoints (id, merchant_id, url, secrets) VALUES (?, 'm_demo', ?, '{whsec_2,whsec_1}')`, e.ID, e.URL)
	require.NoError(t, err)
	_, err = d.Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"whsec_2", "whsec_1"}, s.signs(d, nine))
	require.Equal(t, []string{"whsec_2", "whsec_1"}, s.signs(s.with(), nine), "they need no key")
	require.Equal(t, map[string]int64{"": 2}, s.counts(d))

	require.NoError(t, d.RotateEndpoint(t.Context(), "m_demo", e.ID, rotation("whsec_3")))
	require.Equal(t, map[string]int64{"k1": 3}, s.counts(d))
	_, err = d.ExecContext(t.Context(), `UPDATE endpoints SET secrets = (ARRAY['whsec_4']::text[] || secrets)[1:3]`) // as the release before rotates
	require.NoError(t, err)
	require.Equal(t, []string{"whsec_4", "whsec_3", "whsec_2"}, s.signs(d, nine))
	require.EqualValues(t, 1, s.reseal(d, nine).Endpoints)
	require.Equal(t, []string{"whsec_4", "whsec_3", "whsec_2"}, s.signs(d, nine))
	require.Equal(t, map[string]int64{"k1": 3}, s.counts(d))
}

var errKilled = errors.New("killed")

// Several reseal at once, one is killed between two pages, and the merchants
// rotate meanwhile: no secret is lost, and in the end all are sealed by the key.
func TestResealingBesideOthers(t *testing.T) {
	t.Parallel()
	const many = 250
	s := newSafe(t)
	old, both := s.with("old"), s.with("next", "old")
	var all []merchant.Endpoint
	for n := range many {
		id := fmt.Sprintf("m_%d", n%20)
		if n < 20 {
			shop(t, old, id)
		}
		e := endpoint(id, fmt.Sprintf("whsec_first_%d", n))
		require.NoError(t, old.CreateEndpoint(t.Context(), e))
		all = append(all, e)
	}

	killed, kill := context.WithCancelCause(t.Context())
	_, err := both.Reseal(killed, nine, func(done, of int64) {
		require.EqualValues(t, many, of)
		kill(errKilled)
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, map[string]int64{"next": 100, "old": 150}, s.counts(old), "a page is done, and stays done")

	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := both.Reseal(t.Context(), nine, func(int64, int64) {}); err != nil {
				t.Errorf("reseal: %v", err)
			}
		})
	}
	wg.Go(func() {
		for n, e := range all {
			if err := both.RotateEndpoint(t.Context(), e.MerchantID, e.ID, rotation(fmt.Sprintf("whsec_second_%d", n))); err != nil {
				t.Errorf("rotate: %v", err)
			}
		}
	})
	wg.Wait()
	require.Empty(t, s.reseal(both, nine).Failed)
	require.Equal(t, map[string]int64{"next": 2 * many}, s.counts(both))
	next, sign := s.with("next"), map[merchant.EndpointID][]string{}
	for n := range 20 {
		list, err := next.SigningEndpoints(t.Context(), fmt.Sprintf("m_%d", n), nine)
		require.NoError(t, err)
		for _, e := range list {
			sign[e.ID] = e.Secrets
		}
	}
	for n, e := range all {
		require.Equal(t, []string{fmt.Sprintf("whsec_second_%d", n), fmt.Sprintf("whsec_first_%d", n)}, sign[e.ID])
	}
}

func TestNobodyRotatesWhatIsGone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	require.ErrorIs(t, d.RotateEndpoint(t.Context(), "m_demo", endpoint("m_demo", "").ID, rotation("whsec_1")), order.ErrNotFound)
}
