package tasks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/tasks"
)

func subjects(n int) []tasks.Subject {
	list := make([]tasks.Subject, n)
	for i := range list {
		list[i] = ident.New[struct{}]()
	}
	return list
}

func TestABundleIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, tasks.Bundled} {
		list := subjects(n)
		got, err := tasks.Decode(tasks.Encode(list))
		require.NoError(t, err)
		require.Equal(t, list, got)
	}
	id := subjects(1)
	require.JSONEq(t, fmt.Sprintf(`{"v":1,"ids":[%q]}`, id[0]), string(tasks.Encode(id)), "what earlier and later releases read")
}

func TestBundlesThatAreNotOurs(t *testing.T) {
	t.Parallel()
	id := ident.New[struct{}]().String()
	for _, tc := range []struct{ name, payload, want string }{
		{"nothing", "", "not a bundle"},
		{"another service's", "\x80\x04gob", "not a bundle"},
		{"null", "null", "version 0"},
		{"a list", `["` + id + `"]`, "not a bundle"},
		{"no version", `{"ids":["` + id + `"]}`, "version 0"},
		{"a later version", `{"v":2,"ids":["` + id + `"]}`, "version 2: this release reads 1"},
		{"no rows", `{"v":1,"ids":[]}`, "bundle of 0 rows"},
		{"null rows", `{"v":1,"ids":null}`, "bundle of 0 rows"},
		{"too many rows", string(tasks.Encode(subjects(tasks.Bundled + 1))), "bundle of 257 rows"},
		{"a row without a UUID", `{"v":1,"ids":["42"]}`, "not a bundle"},
		{"a number", `{"v":1,"ids":[42]}`, "not a bundle"},
		{"cut off", `{"v":1,"ids":["` + id, "not a bundle"},
		{"two at once", `{"v":1,"ids":["` + id + `"]}{}`, "not a bundle"},
		{"very long", `{"v":1,"ids":["` + strings.Repeat("9", 1<<20) + `"]}`, "not a bundle"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := tasks.Decode([]byte(tc.payload))
			require.ErrorContains(t, err, tc.want)
			require.Less(t, len(err.Error()), 300)
			require.Nil(t, got)
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(tasks.Encode(subjects(1)))
	f.Add(tasks.Encode(subjects(tasks.Bundled)))
	f.Add([]byte(`{"v":1,"ids":[null]}`))
	f.Add([]byte(`{"v":1e0,"IDS":["0190aaaabbbb7ccc8dddeeeeffff0001"],"x":{}}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := tasks.Decode(payload)
		if err != nil {
			return
		}
		if len(got) < 1 || len(got) > tasks.Bundled || !json.Valid(payload) {
			t.Fatalf("%q was read as %d rows", payload, len(got))
		}
		again, err := tasks.Decode(tasks.Encode(got))
		if err != nil || !bytes.Equal(tasks.Encode(again), tasks.Encode(got)) {
			t.Fatalf("%q does not come back: %v", payload, err)
		}
	})
}
