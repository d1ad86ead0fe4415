package merchant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// MaxRetryAfter bounds how long a merchant can put a notice off by Retry-After.
const MaxRetryAfter = 24 * time.Hour

// Class is the kind of failure that an Attempt's Error begins with.
type Class string

// The classes of failure.
const (
	Stopped     Class = "stopped"     // by us: shutting down, or out of sockets; it costs the merchant no try
	Blocked     Class = "blocked"     // the URL or its address may not be called; the same again is blocked again
	Secret      Class = "secret"      // the endpoint has no secret that signs
	DNS         Class = "dns"         // the host name does not resolve
	Refused     Class = "refused"     // nobody listens
	Unreachable Class = "unreachable" // no way to the host
	TLS         Class = "tls"         // the handshake failed: mostly the certificate
	Timeout     Class = "timeout"
	Reset       Class = "reset"    // the exchange broke off, or what came back was not HTTP
	Redirect    Class = "redirect" // 3xx: never followed
	Status      Class = "status"   // any other answer than 2xx

	Unacknowledged Class = "unacknowledged" // 2xx, but not with the body that the endpoint's ack mode asks for
)

// Classes lists the classes.
func Classes() []Class {
	return []Class{Stopped, Blocked, Secret, DNS, Refused, Unreachable, TLS, Timeout, Reset, Redirect, Status, Unacknowledged}
}

// Class is the kind of failure, read from Error; "" when the attempt is OK.
func (a Attempt) Class() Class {
	class, _, _ := strings.Cut(a.Error, ":")
	return Class(class)
}

// failure is an error whose class is known where it arises.
type failure struct {
	class Class
	why   string
}

func (f *failure) Error() string { return string(f.class) + ": " + f.why }

// step is how far a connection came.
type step string

const (
	connecting  step = "connection"
	handshaking step = "TLS handshake"
)

// stepError says at which step a connection failed, and how far it had come.
type stepError struct {
	step step
	err  error
	way  way
}

func (e *stepError) Error() string { return string(e.step) + ": " + e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// judgeStatus says why an answer is no acknowledgement, whatever its body; nil:
// it may be one. What else the answer asks for is noted in a.
func judgeStatus(resp *http.Response, a *Attempt) error {
	code := resp.StatusCode
	if code >= 200 && code <= 299 {
		return nil
	}
	a.Gone = code == http.StatusGone
	a.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	if code >= 300 && code <= 399 {
		return &failure{Redirect, "it answered " + named(code) + "; redirects are not followed: register the final URL"}
	}
	return &failure{Status, "it answered " + named(code)}
}

// named is a status with its name: "404 Not Found".
func named(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// judgeAck says why the body of a 2xx is not the acknowledgement that an
// endpoint's mode asks for; nil: it is. A mode that this release does not know
// is never satisfied: the notice comes again, and may meet one that does.
func judgeAck(mode AckMode, a *Attempt) error {
	var wanted string
	var given bool
	switch body := a.Answer.Body; mode {
	case "", Ack2xx:
		return nil
	case AckSuccess:
		wanted, given = "success", bytes.EqualFold(bytes.TrimSpace(body), []byte("success"))
	case AckCodeSuccess:
		wanted, given = `{"code":"SUCCESS"}`, codeOf(body) == "SUCCESS"
	default:
		return &failure{Unacknowledged, fmt.Sprintf("the endpoint's ack mode %q is unknown here", clip(string(mode), 32))}
	}
	if given && !a.Answer.Truncated { // what was cut off may unsay it
		return nil
	}
	return &failure{Unacknowledged, "it answered " + named(a.HTTPStatus) + ", but not with the body " + wanted + a.Answer.hint()}
}

// codeOf is the code in a JSON object; "" when there is none.
func codeOf(body []byte) string {
	var answer struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	return answer.Code
}

// retryAfter reads a Retry-After header, RFC 9110 section 10.2.3: seconds or a
// date. What cannot be read, or has passed, is 0.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(0, date.Sub(now)), MaxRetryAfter)
}

// classify says what a failed exchange failed of. ctx is the caller's, without
// our own limit. The sentence is shown to the merchant: it names none of our
// addresses, nor the address of a host that is blocked.
func classify(ctx context.Context, err error, took time.Duration) (Class, string) {
	var known *failure
	var unresolved *net.DNSError
	at := stepOf(err)
	switch {
	case errors.As(err, &known):
		return known.class, known.why
	case errors.Is(ctx.Err(), context.Canceled):
		return Stopped, "we stopped before the answer came"
	case guarded(err):
		return Blocked, "the host leads to a private or reserved address; notices go to public ones only"
	case outOfSockets(err):
		return Stopped, "we had no socket left"
	case errors.As(err, &unresolved):
		return DNS, fmt.Sprintf("the host name %s does not resolve: %s", clip(unresolved.Name, 100), clip(lastPart(unresolved.Err), 100))
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, "nobody listens at the endpoint's address and port"
	case timedOut(err) && at != "":
		return Timeout, fmt.Sprintf("no %s after %s", at, seconds(took))
	case timedOut(err):
		return Timeout, "no whole answer after " + seconds(took)
	case at == connecting && !errors.Is(err, syscall.ECONNRESET): // somebody is there, and hung up on us
		return Unreachable, "no way to the host: " + clip(rootOf(err), 200)
	case at == handshaking:
		return TLS, clip(rootOf(err), 200)
	}
	return Reset, "the exchange broke off before the answer was whole: " + clip(rootOf(err), 200)
}

// outOfSockets says that it is us who lack something. The resolver keeps only the
// text of what it met.
func outOfSockets(err error) bool {
	var unresolved *net.DNSError
	for _, lack := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, lack) || errors.As(err, &unresolved) && lastPart(unresolved.Err) == lack.Error() {
			return true
		}
	}
	return false
}

// lastPart is the last part of an error's text: what stands before it names our
// name servers.
func lastPart(why string) string {
	if i := strings.LastIndex(why, ": "); i >= 0 {
		return why[i+2:]
	}
	return why
}

func stepOf(err error) step {
	var s *stepError
	if errors.As(err, &s) {
		return s.step
	}
	return ""
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// rootOf is what went wrong without the addresses that it went wrong between.
func rootOf(err error) string {
	var s *stepError
	if errors.As(err, &s) {
		err = s.err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return err.Error()
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}

// clip makes a stranger's text fit to be kept and shown on one line.
func clip(s string, limit int) string {
	s = strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s), "?")
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
