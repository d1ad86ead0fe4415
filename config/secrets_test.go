package config_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/seal"
)

var (
	someKey  = base64.StdEncoding.EncodeToString([]byte("hush-hush-hush-hush-hush-hush-32"))
	otherKey = base64.StdEncoding.EncodeToString(make([]byte, 32))
)

func TestSecretsKeys(t *testing.T) {
	t.Parallel()
	want := []seal.Key{{ID: "k2", Secret: [32]byte([]byte("hush-hush-hush-hush-hush-hush-32"))}, {ID: "k_1-a"}}
	for name, s := range map[string]config.Sources{
		"environment": {Env: env("ORDERFLOW_SECRETS_KEYS=k2:" + someKey + ", k_1-a:" + otherKey)},
		"file":        {Env: env(), File: write(t, "secrets_keys:\n  - k2:"+someKey+"\n  - k_1-a:"+otherKey+"\n")},
	} {
		c, err := config.Load(s)
		require.NoError(t, err, name)
		require.Equal(t, want, c.Secrets.Keys, name)
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			shown := fmt.Sprintf(verb, c)
			require.Contains(t, shown, "key k2", name)
			require.NotContains(t, shown, "104", "%s: a byte of the key", name)
		}
		list, err := config.Describe(s)
		require.NoError(t, err)
		require.Equal(t, "(hidden)", find(t, list, "secrets_keys").Value, name)
	}
}

// What is wrong with a key is told without it.
func TestSecretsKeysThatAreRefusedAreNotShown(t *testing.T) {
	t.Parallel()
	for value, says := range map[string]string{
		"k1:" + someKey + ",hush":           "number 2 is not a key: want id:base64, with commas between several, as `orderflow secrets generate` prints it",
		"k1:" + otherKey + ",k1:" + someKey: "number 2 has the name of one before: want names that differ",
	} {
		_, err := config.Load(config.Sources{Env: env("ORDERFLOW_SECRETS_KEYS=" + value)})
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), someKey)
		require.NotContains(t, err.Error(), "hush")
	}
}

func FuzzSecretsKeys(f *testing.F) {
	for _, seed := range []string{"", "k1:" + someKey, "k1:" + someKey + ",k2:" + otherKey, "k1:", ",", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) {
			t.Skip("no environment has it")
		}
		c, err := config.Load(config.Sources{Env: env("ORDERFLOW_SECRETS_KEYS=" + text)})
		if err == nil && text != "" && len(c.Secrets.Keys) != strings.Count(text, ",")+1 {
			t.Fatalf("%q is %d keys", text, len(c.Secrets.Keys))
		}
	})
}
