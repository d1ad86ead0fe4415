package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// call is one POST.
type call struct {
	path   string
	header string // more lines, each with its line end
	body   []byte
}

// answerTime is how long an answer may take.
const answerTime = 30 * time.Second

// wire is one connection to a service, kept alive and used by one buyer at a
// time. It is a small client of its own because the machine is shared with what
// is measured: net/http's would take as much of it as the service does.
type wire struct {
	addr string
	conn net.Conn // nil: to be dialled
	in   *bufio.Reader
	out  []byte
}

func newWire(addr string) *wire { return &wire{addr: addr} }

// post makes a call. Any error ends the connection; the next call dials anew.
func (w *wire) post(ctx context.Context, c call) (status int, body []byte, err error) {
	if err := w.dial(ctx); err != nil {
		return 0, nil, err
	}
	status, body, err = w.exchange(c)
	if err != nil {
		w.close()
	}
	return status, body, err
}

func (w *wire) dial(ctx context.Context) (err error) {
	if w.conn != nil {
		return nil
	}
	var d net.Dialer
	if w.conn, err = d.DialContext(ctx, "tcp", w.addr); err != nil {
		w.conn = nil
		return err
	}
	w.in = bufio.NewReaderSize(w.conn, 8<<10)
	return nil
}

func (w *wire) exchange(c call) (int, []byte, error) {
	if err := w.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return 0, nil, err
	}
	if _, err := w.conn.Write(w.write(c)); err != nil {
		return 0, nil, err
	}
	a, err := readAnswer(w.in)
	if err == nil && a.last {
		w.close()
	}
	return a.status, a.body, err
}

// write is the request's bytes, in a buffer that is used again.
func (w *wire) write(c call) []byte {
	b := append(w.out[:0], "POST "...)
	b = append(b, c.path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, w.addr...)
	b = append(b, "\r\nContent-Type: application/json\r\n"...)
	b = append(b, c.header...)
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(c.body)), 10)
	b = append(b, "\r\n\r\n"...)
	w.out = append(b, c.body...)
	return w.out
}

func (w *wire) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// header is one header line of a call.
func header(name, value string) string { return fmt.Sprintf("%s: %s\r\n", name, value) }

// wires are connections that are open, whoever uses them: the one that was used
// last is used first, so that there are no more than have been needed at once.
type wires struct {
	addr string
	mu   sync.Mutex
	idle []*wire
}

func newWires(addr string) *wires { return &wires{addr: addr} }

func (s *wires) take() *wire {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return newWire(s.addr)
	}
	w := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	return w
}

func (s *wires) giveBack(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, w)
}

// close is for when nobody uses any.
func (s *wires) close() {
	for _, w := range s.idle {
		w.close()
	}
}
