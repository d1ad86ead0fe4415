package merchant

import (
	"bytes"
	"net"
	"testing"
)

// BenchmarkSend is one exchange on a kept connection. The merchant's side
// allocates nothing, so that what is counted is ours.
func BenchmarkSend(b *testing.B) {
	for _, c := range []struct{ name, answer string }{
		{"empty", "HTTP/1.1 204 No Content\r\nDate: Wed, 04 Mar 2026 12:00:00 GMT\r\n\r\n"},
		{"success", "HTTP/1.1 200 OK\r\nDate: Wed, 04 Mar 2026 12:00:00 GMT\r\nServer: nginx\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nsuccess"},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := NewNotifier(Options{AllowLoopback: true})
			b.Cleanup(n.Close)
			sent := notice()
			e := endpoint("http://" + listen(b, answerEach(sent.Body, []byte(c.answer))))
			b.ReportAllocs()
			for b.Loop() {
				if a := n.Send(b.Context(), e, sent); !a.OK {
					b.Fatal(a.Error)
				}
			}
		})
	}
}

// answerEach answers every request that ends in body, on one connection.
func answerEach(body, answer []byte) func(int, net.Conn) {
	return func(_ int, conn net.Conn) {
		request := make([]byte, 0, 4<<10)
		for {
			n, err := conn.Read(request[len(request):cap(request)])
			if err != nil {
				return
			}
			if request = request[:len(request)+n]; !bytes.HasSuffix(request, body) {
				continue
			}
			request = request[:0]
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}
