package merchant

import (
	"io"
	"net/http"
)

const (
	// maxAnswer is how much of an answer is read, its headers and its body each.
	maxAnswer = 16 << 10
	// maxHeader is how much of one header is kept.
	maxHeader = 256
)

// read keeps an answer, as far as it is wanted. It reads the body to its end,
// so that the connection can be used again; a body over the limit is let go
// together with its connection.
func (a *Answer) read(resp *http.Response) error {
	*a = Answer{
		ContentType:     header(resp, "Content-Type"),
		ContentEncoding: header(resp, "Content-Encoding"),
		Location:        header(resp, "Location"),
		RetryAfter:      header(resp, "Retry-After"),
		Server:          header(resp, "Server"),
		Date:            header(resp, "Date"),
		RequestID:       header(resp, "X-Request-Id"),
	}
	var err error
	a.Body, err = bodyOfAnswer(resp)
	a.Truncated = err != nil
	if len(a.Body) > maxAnswer {
		a.Body, a.Truncated = a.Body[:maxAnswer], true
	}
	return err
}

func header(resp *http.Response, name string) string {
	return clip(resp.Header.Get(name), maxHeader)
}

// bodyOfAnswer reads one byte more than is kept, which tells a body that ends
// there from one that goes on. After a 101 the connection is a bare socket that
// no timeout reaches: nothing is read from it.
func bodyOfAnswer(resp *http.Response) ([]byte, error) {
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == http.NoBody:
		return nil, nil
	case resp.ContentLength > 0 && resp.ContentLength <= maxAnswer:
		body := make([]byte, resp.ContentLength)
		n, err := io.ReadFull(resp.Body, body)
		return body[:n], err
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
}

// hint is what may explain a body that is not the one wanted.
func (a *Answer) hint() string {
	switch {
	case a.ContentEncoding != "" && a.ContentEncoding != "identity":
		return "; it is encoded as " + a.ContentEncoding + ", although we accept identity only"
	case a.Truncated:
		return "; it is longer than 16 KiB"
	}
	return ""
}
