package bench

import (
	"bufio"
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
		case "/trailer": // in chunks, and then some
			w.Header().Set("Trailer", "Sum")
			_, _ = io.WriteString(w, "tea")
			w.Header().Set("Sum", "1")
		case "/nothing":
			w.WriteHeader(http.StatusNoContent)
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

		_, body, err = post("/trailer")
		require.NoError(t, err)
		require.Equal(t, "tea", body)

		status, body, err = post("/nothing")
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, status)
		require.Empty(t, body)

		_, _, err = post("/bye")
		require.NoError(t, err)
		require.Nil(t, w.conn, "the next call dials")

		_, _, err = post("/broken")
		require.Error(t, err)
		require.Nil(t, w.conn)
	}
}

func TestAnAnswerThatIsNone(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":          "",
		"another protocol": "SSH-2.0-OpenSSH_9.9\r\n",
		"no status":        "HTTP/1.1 fine\r\n\r\n",
		"cut short":        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
		"cut in its head":  "HTTP/1.1 200 OK\r\nContent-Le",
		"a length below 0": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"no length":        "HTTP/1.1 200 OK\r\n\r\nabc",
		"half a chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAnswer(bufio.NewReader(strings.NewReader(text)))
			require.Error(t, err)
		})
	}
}
