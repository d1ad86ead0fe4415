package access

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewKey(t *testing.T) {
	t.Parallel()
	for _, role := range Roles() {
		key, hash := NewKey(role)
		require.Regexp(t, "^ofk_"+string(role)+"_[a-z2-7]{59}$", key)
		require.Equal(t, sha256.Sum256([]byte(key)), hash)
		require.True(t, intact(key))
		other, _ := NewKey(role)
		require.NotEqual(t, key, other)
	}
}

func TestEveryDamagedCharacterIsNoticed(t *testing.T) {
	t.Parallel()
	key, _ := NewKey(Merchant)
	for i := len(keyPrefix); i < len(key); i++ {
		wrong := byte('a')
		if key[i] == wrong {
			wrong = 'b'
		}
		require.False(t, intact(key[:i]+string(wrong)+key[i+1:]), "character %d", i)
		require.False(t, intact(key[:i]), "cut after %d", i)
	}
	require.False(t, intact(key+"a"))
	require.True(t, intact("dev_app_key"), "a development key has no checksum")
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	whole, _ := NewKey(App)
	for _, c := range []struct {
		name   string
		header []string
		key    string
		err    error
	}{
		{"bearer", []string{"Bearer dev_app_key"}, "dev_app_key", nil},
		{"a whole key", []string{"Bearer " + whole}, whole, nil},
		{"the scheme in any case", []string{"bEARER dev_app_key"}, "dev_app_key", nil},
		{"spaces around the key", []string{"Bearer   dev_app_key "}, "dev_app_key", nil},
		{"basic, any user name", []string{basic("someone:dev_app_key")}, "dev_app_key", nil},
		{"basic, no user name", []string{basic(":dev_app_key")}, "dev_app_key", nil},
		{"a colon is part of the password", []string{basic("u:a:b")}, "a:b", nil},

		{"nothing", nil, "", ErrNoKey},
		{"an empty header", []string{""}, "", ErrNoKey},
		{"two headers", []string{"Bearer a", "Bearer b"}, "", ErrMalformed},
		{"no scheme", []string{"dev_app_key"}, "", ErrMalformed},
		{"another scheme", []string{"Digest dev_app_key"}, "", ErrMalformed},
		{"bearer without a key", []string{"Bearer"}, "", ErrMalformed},
		{"bearer with spaces only", []string{"Bearer    "}, "", ErrMalformed},
		{"two words", []string{"Bearer dev app"}, "", ErrMalformed},
		{"a tab for a space", []string{"Bearer\tdev_app_key"}, "", ErrMalformed},
		{"a control character", []string{"Bearer dev\x00key"}, "", ErrMalformed},
		{"beyond ASCII", []string{"Bearer clé"}, "", ErrMalformed},
		{"basic, not base 64", []string{"Basic !!!"}, "", ErrMalformed},
		{"basic, no colon", []string{basic("dev_app_key")}, "", ErrMalformed},
		{"basic, the key as user name", []string{basic("dev_app_key:")}, "", ErrMalformed},
		{"basic, a line break in the password", []string{basic("u:a\nb")}, "", ErrMalformed},
		{"the longest key", []string{"Bearer " + strings.Repeat("k", maxKey)}, strings.Repeat("k", maxKey), nil},
		{"longer", []string{"Bearer " + strings.Repeat("k", maxKey+1)}, "", ErrMalformed},
		{"a very long header", []string{"Bearer " + strings.Repeat(" ", maxHeader) + "k"}, "", ErrMalformed},
		{"a damaged key", []string{"Bearer " + whole[:len(whole)-1]}, "", ErrDamaged},
		{"our prefix alone", []string{"Bearer ofk_"}, "", ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key, err := keyOf(http.Header{"Authorization": c.header})
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.key, key)
		})
	}
}

func FuzzKeyOf(f *testing.F) {
	whole, _ := NewKey(Operator)
	for _, seed := range []string{
		"", "Bearer dev_app_key", "Basic dTpkZXZfYXBwX2tleQ==", "Basic Og==", "Bearer " + whole, "Bearer ofk_app_", " ", "Basic", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key, err := keyOf(http.Header{"Authorization": {header}})
		if err != nil {
			require.True(t, Refused(err), "a stranger's header is never our trouble: %v", err)
			require.Empty(t, key)
			if len(header) > len(keyPrefix)+8 {
				require.NotContains(t, err.Error(), header)
			}
			return
		}
		require.True(t, presentable(key) && intact(key))
		again, err := keyOf(http.Header{"Authorization": {"Bearer " + key}})
		require.NoError(t, err)
		require.Equal(t, key, again, "either scheme reads the same key")
	})
}
