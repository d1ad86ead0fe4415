package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAWireCarriesCallAfterCall(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/long": // in chunks
			_, _ = io.WriteString(w, strings.Repeat("x", 5000))
		case "/bye":
			w.Header().Set("Connection", "close")
		case "/broken":
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, r.Header.Get("Key")+" "+string(body))
		}
	}))
	defer server.Close()
	w := newWire(server.Listener.Addr().String())
	defer w.close()
	post := func(path string) (int, string, error) {
		status, body, err := w.post(t.Context(), call{path: path, header: header("Key", "k"), body: []byte("tea")})
		return status, string(body), err
	}
	for range 2 {
		status, body, err := post("/")
		require.NoError(t, err)
		require.Equal(t, http.StatusTeapot, status)
		require.Equal(t, "k tea", body)

		_, body, err = post("/long")
		require.NoError(t, err)
		require.Len(t, body, 5000)

		_, _, err = post("/bye")
		require.NoError(t, err)
		require.Nil(t, w.conn, "the next call dials")

		_, _, err = post("/broken")
		require.Error(t, err)
		require.Nil(t, w.conn)
	}
}
