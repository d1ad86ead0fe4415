package merchant

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRotation(t *testing.T) {
	t.Parallel()
	at := noon.UTC()
	kept := func(name string, in time.Duration) KeptSecret {
		if in == 0 {
			return KeptSecret{Sealed: name}
		}
		return KeptSecret{Sealed: name, ExpiresAt: at.Add(in)}
	}
	const day = DefaultOverlap
	for name, c := range map[string]struct {
		before  []KeptSecret
		overlap time.Duration
		after   []KeptSecret
	}{
		"the first of all": {nil, day, []KeptSecret{kept("new", 0)}},
		"the one before goes on for the overlap": {
			[]KeptSecret{kept("a", 0)}, day, []KeptSecret{kept("new", 0), kept("a", day)},
		},
		"at once, when there is no overlap": {[]KeptSecret{kept("a", 0), kept("b", time.Hour)}, 0, []KeptSecret{kept("new", 0)}},
		"none goes on for longer than it had": {
			[]KeptSecret{kept("a", 0), kept("b", time.Hour)}, day, []KeptSecret{kept("new", 0), kept("a", day), kept("b", time.Hour)},
		},
		"a shorter overlap shortens": {
			[]KeptSecret{kept("a", 0), kept("b", day)}, time.Minute, []KeptSecret{kept("new", 0), kept("a", time.Minute), kept("b", time.Minute)},
		},
		"three sign, the oldest is forgotten": {
			[]KeptSecret{kept("a", 0), kept("b", day), kept("c", time.Hour)}, day, []KeptSecret{kept("new", 0), kept("a", day), kept("b", day)},
		},
		"what has expired makes room": {
			[]KeptSecret{kept("a", 0), kept("b", -time.Second), kept("c", time.Hour)}, day, []KeptSecret{kept("new", 0), kept("a", day), kept("c", time.Hour)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Rotation{Secret: NewSecret(), Overlap: c.overlap, At: at}
			require.NoError(t, r.Check())
			require.Equal(t, c.after, r.Apply(c.before, KeptSecret{Sealed: "new"}))
		})
	}
}

func TestASecretSignsUntilItExpires(t *testing.T) {
	t.Parallel()
	s := KeptSecret{ExpiresAt: noon}
	require.True(t, s.Signs(noon.Add(-time.Nanosecond)))
	require.False(t, s.Signs(noon))
	require.True(t, KeptSecret{}.Signs(noon), "without an end")
	four := []KeptSecret{{Sealed: "a"}, {Sealed: "b", ExpiresAt: noon}, {Sealed: "c"}, {Sealed: "d"}, {Sealed: "e"}}
	require.Equal(t, []KeptSecret{{Sealed: "a"}, {Sealed: "c"}, {Sealed: "d"}}, Signing(four, noon))
}

func TestRotationsThatAreRefused(t *testing.T) {
	t.Parallel()
	require.NoError(t, Rotation{Secret: NewKeyPair(), Overlap: MaxOverlap}.Check())
	for name, r := range map[string]Rotation{
		"no secret":        {},
		"a bad secret":     {Secret: "whsec_x"},
		"a long overlap":   {Secret: NewSecret(), Overlap: MaxOverlap + 1},
		"one that is past": {Secret: NewSecret(), Overlap: -1},
	} {
		require.Error(t, r.Check(), name)
	}
}

func TestSchemes(t *testing.T) {
	t.Parallel()
	for _, s := range []Scheme{V1, V1A} {
		secret := NewSecretFor(s)
		require.NoError(t, ValidSecret(secret))
		require.Equal(t, s, SchemeOf(secret))
		require.Equal(t, s, Endpoint{PublicKey: PublicKey(secret)}.Scheme())
	}
}
