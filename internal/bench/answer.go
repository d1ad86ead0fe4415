package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
)

// answer is what a call got.
type answer struct {
	status int
	body   []byte
	last   bool // the service hangs up after it
}

// readAnswer reads the next response of a connection. Of its header it keeps
// what says where the body ends: net/http would make a map of all of it, a sixth
// of what the load generator takes.
func readAnswer(in *bufio.Reader) (a answer, err error) {
	line, err := readLine(in)
	if err != nil {
		return a, err
	}
	version, rest, _ := bytes.Cut(line, []byte(" "))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) || len(rest) < 3 {
		return a, fmt.Errorf("the answer begins with %.40q, not with HTTP/1.1 and a status", line)
	}
	if a.status, err = strconv.Atoi(string(rest[:3])); err != nil {
		return a, fmt.Errorf("the answer's status: %w", err)
	}
	size, chunked := -1, false
	for {
		if line, err = readLine(in); err != nil {
			return a, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if size, err = strconv.Atoi(string(value)); err != nil || size < 0 {
				return a, fmt.Errorf("the answer is %.40q bytes long", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("Connection")):
			a.last = bytes.EqualFold(value, []byte("close"))
		}
	}
	switch {
	case a.status == http.StatusNoContent:
	case chunked:
		a.body, err = readChunks(in)
	case size >= 0:
		a.body = make([]byte, size)
		_, err = io.ReadFull(in, a.body)
	default:
		err = errors.New("the answer does not say how long it is")
	}
	return a, err
}

func readChunks(in *bufio.Reader) ([]byte, error) {
	body, err := io.ReadAll(httputil.NewChunkedReader(in))
	for err == nil { // its trailer, to the empty line
		var line []byte
		if line, err = readLine(in); len(line) == 0 {
			break
		}
	}
	return body, err
}

// readLine is a line without its end, valid until the next is read.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
