package app

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
)

// pages is what was logged, for who reads it meanwhile.
type pages struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *pages) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *pages) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Split(strings.TrimSpace(p.text.String()), "\n")
}

// What a merchant sends without being asked goes where all else is logged, as
// one line that cannot be taken for another. It does not run in parallel: there
// is one standard log.
func TestAMerchantsStrayBytesAreLoggedAsOurs(t *testing.T) { //nolint:paralleltest // see above
	var logged pages
	log, err := NewLogger(config.Log{Level: "info", Format: "json"}, &logged)
	require.NoError(t, err)
	restore := StandardLog(log)
	defer restore()

	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	idle := make(chan struct{})
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 4<<10))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		<-idle
		_, _ = io.WriteString(conn, "\x1b[2Jstray\n{\"level\":\"info\"}\n")
	}()
	n := merchant.NewNotifier(merchant.Options{AllowLoopback: true})
	defer n.Close()
	a := n.Send(t.Context(), merchant.Endpoint{ID: ident.New[merchant.Endpoint](), URL: "http://" + ln.Addr().String(), Secrets: []string{merchant.NewSecret()}}, merchant.Notice{ID: "n", Body: []byte("{}")})
	require.Equal(t, http.StatusOK, a.HTTPStatus, a.Error)
	close(idle) // the connection is given back before the answer is

	require.Eventually(t, func() bool { return len(logged.lines()[0]) > 0 }, patience, time.Millisecond)
	require.Len(t, logged.lines(), 1)
	var line struct{ Logger, Msg string }
	require.NoError(t, json.Unmarshal([]byte(logged.lines()[0]), &line))
	require.Equal(t, "std", line.Logger)
	require.Contains(t, line.Msg, `\x1b[2Jstray\n`)
}
