package seal

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const secret, place = "whsec_c2VjcmV0", "endpoint 1 of merchant m_1"

func keyring(t testing.TB, keys ...Key) *Keyring {
	t.Helper()
	k, err := New(keys...)
	require.NoError(t, err)
	return k
}

func TestWhatIsSealedOpens(t *testing.T) {
	t.Parallel()
	k := keyring(t, NewKey("k1"))
	for _, s := range []string{"", secret, strings.Repeat("long ", 100), "\x00\xff"} {
		sealed, err := k.Seal(s, place)
		require.NoError(t, err)
		require.Regexp(t, `^v1\.k1\.[A-Za-z0-9_-]+$`, sealed)
		if s != "" {
			require.NotContains(t, sealed, s)
		}
		opened, err := k.Open(sealed, place)
		require.NoError(t, err)
		require.Equal(t, s, opened)
		again, err := k.Seal(s, place)
		require.NoError(t, err)
		require.NotEqual(t, sealed, again, "each has a nonce of its own")
	}
}

// Where one byte is another, whichever it is and whatever it becomes, nothing
// opens: not in the base64, not in the key's id, not in the version.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	one := NewKey("k1")
	other := Key{ID: "k2", Secret: one.Secret} // the same key by another name is another key
	k := keyring(t, one, other)
	sealed, err := k.Seal(secret, place)
	require.NoError(t, err)
	for i := range len(sealed) {
		for b := range 256 {
			altered := []byte(sealed)
			altered[i] = byte(b)
			if string(altered) == sealed {
				continue
			}
			opened, err := k.Open(string(altered), place)
			require.Error(t, err, "%s", altered)
			require.Empty(t, opened)
			require.NotContains(t, err.Error(), secret)
		}
	}
	for n := range len(sealed) {
		_, err := k.Open(sealed[:n], place)
		require.Error(t, err, "cut to %d bytes", n)
	}
	for _, more := range []string{"A", "\n", " ", "=", "."} {
		_, err := k.Open(sealed+more, place)
		require.Error(t, err, "%q behind it", more)
		_, err = k.Open(more+sealed, place)
		require.Error(t, err, "%q before it", more)
	}
}

func TestNothingOpensElsewhere(t *testing.T) {
	t.Parallel()
	k := keyring(t, NewKey("k1"))
	sealed, err := k.Seal(secret, place)
	require.NoError(t, err)
	for _, elsewhere := range []string{"", "endpoint 1 of merchant m_2", "endpoint 2 of merchant m_1", place + " "} {
		_, err := k.Open(sealed, elsewhere)
		require.ErrorIs(t, err, ErrAltered, elsewhere)
	}
}

func TestTheFirstKeySealsAndAllOpen(t *testing.T) {
	t.Parallel()
	old, next := NewKey("old"), NewKey("next")
	before := keyring(t, old)
	sealed, err := before.Seal(secret, place)
	require.NoError(t, err)

	both := keyring(t, next, old)
	require.Equal(t, "next", both.Sealing())
	opened, err := both.Open(sealed, place)
	require.NoError(t, err)
	require.Equal(t, secret, opened)
	anew, err := both.Seal(opened, place)
	require.NoError(t, err)
	id, err := KeyOf(anew)
	require.NoError(t, err)
	require.Equal(t, "next", id)

	_, err = before.Open(anew, place)
	var unknown *UnknownKey
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, UnknownKey{ID: "next", Have: []string{"old"}}, *unknown)
	require.EqualError(t, err, `it was sealed with the key "next", which is not among ORDERFLOW_SECRETS_KEYS (there is old): `+
		`put that key behind the others, or, when it is lost, give the endpoint a new secret, without an overlap`)
}

func TestWithoutKeys(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]*Keyring{"none": keyring(t), "nil": nil} {
		require.Empty(t, k.Sealing(), name)
		_, err := k.Seal(secret, place)
		require.ErrorIs(t, err, ErrNoKey, name)
		_, err = k.Open("v1.k1.AAAA", place)
		require.ErrorContains(t, err, "none is set", name)
	}
}

func TestKeyringsThatAreRefused(t *testing.T) {
	t.Parallel()
	_, err := New(NewKey("k1"), NewKey("k1"))
	require.EqualError(t, err, "two keys are named k1")
	for _, id := range []string{"", "K1", "k.1", "k 1", "k:1", strings.Repeat("k", 33), "ключ"} {
		_, err := New(NewKey(id))
		require.Error(t, err, id)
	}
}

func TestTextsThatWereNeverSealed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "v1", "v1.k1", "v1..AAAA", "v1.K1.AAAA", "v2.k1.AAAA", "v1.k1.AAAA.", "v1.k1.AA=A", "v1.k1.AB", "v1.k1.AA\nAA", "whsec_c2VjcmV0"} {
		_, err := KeyOf(text)
		require.ErrorIs(t, err, ErrForm, text)
	}
}

func TestNoKeyIsEverPrinted(t *testing.T) {
	t.Parallel()
	key := Key{ID: "k1", Secret: [KeySize]byte([]byte("hush-hush-hush-hush-hush-hush-32"))}
	k := keyring(t, key)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{key, k, []Key{key}, struct{ K Key }{key}, errors.Join(ErrNoKey)} {
			shown := fmt.Sprintf(verb, v)
			require.NotContains(t, shown, "hush", verb)
			require.NotContains(t, shown, "104", verb) // an h among bytes
			require.NotContains(t, shown, "0x68", verb)
		}
	}
	require.Equal(t, "k1:aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2gtMzI=", key.Line())
}

// Whatever stands in a row: it is refused, or it is what was sealed for it.
func FuzzOpen(f *testing.F) {
	k := keyring(f, Key{ID: "k1"})
	sealed, err := k.Seal(secret, place)
	require.NoError(f, err)
	for _, seed := range []string{sealed, sealed[:len(sealed)-1], "v1.k1.", "v1.k1.AAAA", "v2.k1.AAAA", "..", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		opened, err := k.Open(text, place)
		if err == nil && opened != secret {
			t.Fatalf("%q opens as %q", text, opened)
		}
		if id, err := KeyOf(text); err == nil && !IsKeyID(id) {
			t.Fatalf("%q has the key id %q", text, id)
		}
	})
}
