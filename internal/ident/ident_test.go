package ident_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
)

type (
	thing struct{}
	part  struct{}
)

func TestNewIsAUUIDv7WithRoomForParts(t *testing.T) {
	t.Parallel()
	ids := make([]ident.Of[thing], 1000)
	for i := range ids {
		ids[i] = ident.New[thing]()
		require.Equal(t, uuid.Version(7), uuid.UUID(ids[i]).Version())
		require.Equal(t, uuid.RFC4122, uuid.UUID(ids[i]).Variant())
		require.Zero(t, ids[i].Part())
		require.False(t, ids[i].IsZero())
	}
	require.True(t, slices.IsSortedFunc(ids, func(a, b ident.Of[thing]) int { return strings.Compare(a.Compact(), b.Compact()) }), "they sort by the time they were made")
	require.Len(t, slices.Compact(ids), len(ids))
	require.True(t, ident.Of[thing]{}.IsZero())
}

func TestAFamilySharesFifteenBytes(t *testing.T) {
	t.Parallel()
	id, next := ident.New[thing](), ident.New[thing]()
	for p := range 256 {
		of := ident.WithPart[part](id, byte(p))
		require.Equal(t, byte(p), of.Part())
		require.Equal(t, id[:15], of[:15])
		require.Equal(t, uuid.Version(7), uuid.UUID(of).Version())
		require.Equal(t, id, ident.WithPart[thing](of, 0))
		require.Less(t, of.Compact(), next.Compact(), "a family lies together: nobody else's id is between")
	}
	require.Equal(t, id.String(), ident.As[part](id).String())
}

func TestParse(t *testing.T) {
	t.Parallel()
	const canonical, compact = "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001", "0190aaaabbbb7ccc8dddeeeeffff0001"
	for _, s := range []string{canonical, compact, strings.ToUpper(canonical), strings.ToUpper(compact)} {
		id, err := ident.Parse[thing](s)
		require.NoError(t, err, s)
		require.Equal(t, canonical, id.String())
		require.Equal(t, compact, id.Compact())
		require.Equal(t, byte(1), id.Part())
	}
	for _, s := range []string{
		"", "42", canonical[1:], canonical + "0", "urn:uuid:" + canonical, "{" + canonical + "}",
		strings.Replace(canonical, "-", "_", 1), strings.Replace(compact, "0", "g", 1), strings.Repeat("9", 1<<20),
	} {
		id, err := ident.Parse[thing](s)
		require.ErrorContains(t, err, "is not an identifier: want a UUID")
		require.Less(t, len(err.Error()), 200, "what a stranger sent is not repeated at length")
		require.True(t, id.IsZero())
	}
}

func TestJSONAndSQL(t *testing.T) {
	t.Parallel()
	id := ident.New[thing]()
	b, err := json.Marshal(map[string]ident.Of[thing]{"id": id})
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"`+id.String()+`"}`, string(b))
	var got struct{ ID ident.Of[thing] }
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, id, got.ID)

	kept := id
	require.Error(t, kept.UnmarshalText([]byte("no")))
	require.Equal(t, id, kept, "what cannot be read changes nothing")

	v, err := id.Value()
	require.NoError(t, err)
	require.Equal(t, id.String(), v)
	for _, src := range []any{v, []byte(id.String()), id[:]} {
		var back ident.Of[thing]
		require.NoError(t, back.Scan(src))
		require.Equal(t, id, back)
	}
	require.Error(t, (&ident.Of[thing]{}).Scan(42))
}

func FuzzParse(f *testing.F) {
	f.Add("0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001")
	f.Add("0190aaaabbbb7ccc8dddeeeeffff0001")
	f.Add("")
	f.Add("\xff\x00-")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ident.Parse[thing](s)
		if err != nil {
			return
		}
		for _, form := range []string{id.String(), id.Compact()} {
			again, err := ident.Parse[thing](form)
			if err != nil || again != id {
				t.Fatalf("%q became %s, and that %s, %v", s, form, again, err)
			}
		}
		if !strings.EqualFold(strings.ReplaceAll(s, "-", ""), id.Compact()) {
			t.Fatalf("%q was read as %s", s, id)
		}
	})
}
