package app

import (
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/seal"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

func (n taken) verifies(t *testing.T, secret string) bool {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	return w.Verify(n.body, n.header) == nil
}

// While orders are paid the endpoint's secret is replaced twice: every notice
// verifies with the merchant's first secret, whose overlap lasts, and soon with
// the new one as well.
func TestASecretIsReplacedWhileNoticesAreSent(t *testing.T) {
	t.Parallel()
	m := openMarket(t)
	done, wg := make(chan struct{}), sync.WaitGroup{}
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				m.paid(m.create().Payment, "")
			}
		}
	})
	signedWith := func(secret string) {
		m.until("a notice is signed with the new secret", func() bool {
			o := m.create()
			m.paid(o.Payment, "")
			m.notified(o.ID)
			n := m.shop.notices(o.ID)[0]
			require.True(t, n.verifies(t, devEndpointSecret), "the secret before goes on signing")
			return n.verifies(t, secret)
		})
	}
	for range 2 {
		e, err := m.seller.RotateEndpoint(t.Context(), devMerchant, devEndpointID)
		require.NoError(t, err)
		require.NotEqual(t, devEndpointSecret, e.Secret)
		signedWith(e.Secret)
	}
	_, err := m.seller.RotateEndpointTo(t.Context(), devSlowMerchant, devSlowEndpointID, api.NewSecret{})
	require.Error(t, err, "another merchant's is not theirs")
	close(done)
	wg.Wait()
}

// The installation's key is replaced: with both keys set all is sealed anew while
// notices are sent, and afterwards the old key is not needed.
func TestTheKeyIsReplacedWhileNoticesAreSent(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	told := func() {
		o := m.create()
		m.paid(o.Payment, "")
		m.notified(o.ID)
		require.True(t, m.shop.notices(o.ID)[0].verifies(t, devEndpointSecret))
	}
	both, next := m.cfg, seal.Key{ID: "next", Secret: [32]byte{1}}
	both.Secrets.Keys = append([]seal.Key{next}, m.cfg.Secrets.Keys...)
	before := m.start(both)
	told()
	var wg sync.WaitGroup
	wg.Go(func() {
		d, err := OpenDB(t.Context(), both, 2)
		require.NoError(t, err)
		defer d.Close()
		r, err := d.Reseal(t.Context(), now(), func(int64, int64) {})
		require.NoError(t, err)
		require.Equal(t, db.ResealReport{Key: "next", Endpoints: 2}, r)
	})
	for range 5 {
		told()
	}
	wg.Wait()
	before.Stop()

	after := m.cfg
	after.Secrets.Keys = []seal.Key{next}
	m.start(after)
	told()
}

func TestAServiceWithoutAKeyDoesNotStartWhenThereAreSecrets(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	without := m.cfg
	without.Secrets.Keys = nil
	_, err := Start(t.Context(), without, zap.NewNop(), Extras{})
	require.ErrorContains(t, err, "2 secrets of merchants' endpoints are in the database, and no key is set")
	require.ErrorContains(t, err, "set ORDERFLOW_SECRETS_KEYS to the keys that they were sealed with (dev)")

	without.Roles = config.Roles{config.Relayer, config.Monitor}
	a, err := Start(t.Context(), without, zap.NewNop(), Extras{})
	require.NoError(t, err, "relay and monitor have nothing to do with secrets")
	a.Stop()
}

// Another key than the one that sealed: the service starts, and says what it
// cannot do.
func TestAServiceWithAnotherKeySaysSo(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	core, logged := observer.New(zap.WarnLevel)
	m.log = zap.New(core)
	other := m.cfg
	other.Secrets.Keys = []seal.Key{{ID: "other"}}
	m.start(other)
	said := logged.FilterMessageSnippet("put the key back behind the others").All()
	require.Len(t, said, 1)
	require.Equal(t, "2 sealed with a key that is not set (dev)", said[0].ContextMap()["secrets"])

	o := m.create()
	m.paid(o.Payment, "")
	var why string
	m.until("the notice waits, and its task says why", func() bool {
		list, err := m.operator.Tasks(t.Context(), api.TaskFilter{Kind: "delivery:notify"})
		require.NoError(t, err)
		if len(list.Tasks) > 0 {
			why = list.Tasks[0].LastError
		}
		return why != ""
	})
	require.Contains(t, why, `sealed with the key "dev", which is not among ORDERFLOW_SECRETS_KEYS (there is other)`)
	require.Empty(t, m.shop.notices(o.ID), "nothing is sent that cannot be signed")
	require.Equal(t, string(order.Paid), m.order(o.ID).Status)
}

func TestTheSecretsStanding(t *testing.T) {
	t.Parallel()
	keys := config.Secrets{Keys: []seal.Key{{ID: "a"}, {ID: "b"}}}
	count := func(key string, n int64) db.SecretCount { return db.SecretCount{Key: key, Secrets: n} }
	for name, c := range map[string]struct {
		counts []db.SecretCount
		keys   config.Secrets
		says   string
		advice string
	}{
		"nothing is there":          {nil, keys, "none", ""},
		"nothing is there, nor key": {nil, config.Secrets{}, "none", "secrets generate"},
		"all well":                  {[]db.SecretCount{count("a", 3)}, keys, "3 sealed with a", ""},
		"an older key":              {[]db.SecretCount{count("a", 3), count("b", 1)}, keys, "3 sealed with a, 1 sealed with another key", "secrets reseal"},
		"plain ones":                {[]db.SecretCount{count("", 2)}, keys, "2 plain", "secrets reseal"},
		"the only key is lost":      {[]db.SecretCount{count("c", 1)}, config.Secrets{}, "1 sealed with a key that is not set (c)", "put the key back"},
		"lost keys":                 {[]db.SecretCount{count("c", 1), count("d", 1)}, keys, "2 sealed with a key that is not set (c, d)", "put the key back"},
	} {
		s := standing(c.counts, c.keys)
		require.Equal(t, c.says, s.String(), name)
		require.Contains(t, s.advice(), c.advice, name)
		require.Equal(t, c.advice == "", s.advice() == "", name)
	}
}
