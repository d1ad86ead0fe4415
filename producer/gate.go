package producer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/producer/api"
)

// What is read from strangers, and how long they may take.
const (
	maxBody     = 1 << 20
	maxCallback = 64 << 10
	callTime    = 30 * time.Second
)

// gate stands before every route: nothing of a request is looked at before it
// is known who sent it and that they may.
func (s *server) gate(r route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		req, w := humago.Unwrap(ctx)
		c := callOf(req.Context())
		c.route = r.String()
		if p := s.admit(c, w, r, wantsBody(ctx.Operation(), req)); p != nil {
			c.refuse(w, p)
			return
		}
		limited, cancel := context.WithTimeout(ctx.Context(), callTime)
		defer cancel()
		next(huma.WithContext(ctx, limited))
	}
}

// wantsBody says whether a body is to be read: always where the call needs one,
// and where it may be left out, when one was sent.
func wantsBody(op *huma.Operation, r *http.Request) bool {
	return op.RequestBody != nil && (op.RequestBody.Required || r.ContentLength != 0)
}

// page is the gate of what is no route: any key opens it.
func (s *server) page(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		if p := s.known(c, access.Roles()); p != nil {
			c.refuse(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) admit(c *call, w http.ResponseWriter, r route, wantsBody bool) *problem {
	if len(r.roles) == 0 {
		return nil // the handler itself finds out who it is
	}
	if p := s.known(c, r.roles); p != nil {
		return p
	}
	if p := readable(c.request); p != nil {
		return p
	}
	if !wantsBody {
		return nil
	}
	if !isJSON(c.request.Header) {
		return fault(api.NotJSON, "")
	}
	return c.read(w, maxBody, s.opt.BodyTime)
}

// known finds out who is calling and whether they may.
func (s *server) known(c *call, roles []access.Role) *problem {
	who, err := s.opt.Guard.Authenticate(c.request.Context(), c.request)
	switch {
	case access.Refused(err):
		return fault(api.Unauthenticated, sentence(err.Error())).with("WWW-Authenticate", challenge(c.request))
	case err != nil:
		c.err = err
		return fault(api.Unavailable, "Keys cannot be checked just now. Yours may well be right: try again in a moment.")
	}
	c.principal = who
	if !who.May(roles...) {
		return fault(api.Forbidden, "This call is for the role "+either(roles)+"; your key has the role "+string(who.Role)+".")
	}
	// A browser that keeps a Basic login would lend it to any other site.
	if s.allowed.Check(c.request) != nil {
		return fault(api.Forbidden, "A browser sent this from another site's page. Call from your server, or from this site.")
	}
	return nil
}

// challenge lets a browser ask for the key where people look, not where
// programs call.
func challenge(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		return "Bearer"
	}
	return `Basic realm="Orderflow", charset="UTF-8"`
}

func either(roles []access.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, " or ")
}

// readable says whether path and query can be looked up at all, and the answer
// be understood.
func readable(r *http.Request) *problem {
	query, err := url.QueryUnescape(r.URL.RawQuery)
	switch {
	case !printable(r.URL.Path):
		return fault(api.NotFound, "")
	case err != nil || !printable(query):
		return invalid("query", "has control characters or is not UTF-8")
	case !acceptsJSON(r.Header.Values("Accept")):
		return fault(api.NotAcceptable, "")
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func acceptsJSON(accept []string) bool {
	if len(accept) == 0 {
		return true
	}
	for r := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(r)
		if err != nil || params["q"] != "" && strings.Trim(params["q"], "0.") == "" {
			continue
		}
		if media == "*/*" || media == "application/*" || media == "application/json" {
			return true
		}
	}
	return false
}

func isJSON(h http.Header) bool {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, named := params["charset"]
	return err == nil && media == "application/json" && (!named || strings.EqualFold(charset, "utf-8"))
}

// read takes the body in, whole and as it came: it is what signatures and
// fingerprints are made of.
func (c *call) read(w http.ResponseWriter, limit int64, within time.Duration) *problem {
	line := http.NewResponseController(w)
	_ = line.SetReadDeadline(time.Now().Add(within)) // a test's recorder has no line
	body, err := io.ReadAll(io.LimitReader(c.request.Body, limit+1))
	switch {
	case int64(len(body)) > limit:
		return fault(api.TooLarge, "")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault(api.TooSlow, "")
	case err != nil:
		return fault(api.Malformed, "The body broke off. Send it again, whole.")
	}
	// Only now: what was not read to its end is given up, not waited for.
	_ = line.SetReadDeadline(time.Time{})
	c.body = body
	c.request.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// serveNothing answers what no route does: with the methods that there are, if
// the path is one of ours.
func (s *server) serveNothing(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	var methods []string
	for _, m := range []string{get, put, post, del} {
		if _, pattern := s.mux.Handler(&http.Request{Method: m, URL: r.URL, Host: r.Host}); pattern != "/" && tidy(r.URL) {
			methods = append(methods, m)
		}
	}
	if len(methods) == 0 {
		c.refuse(w, fault(api.NotFound, "There is no such page or call. /docs lists those that there are."))
		return
	}
	c.refuse(w, fault(api.MethodNotAllowed, "").with("Allow", strings.Join(methods, ", ")))
}

// tidy says whether a path is written as the mux wants it, escapes undone: "%2e%2e"
// is nobody's id. It would send any other elsewhere, in a page of HTML.
func tidy(u *url.URL) bool {
	p := u.Path
	return strings.HasPrefix(p, "/") && !strings.Contains(p, "//") && !strings.Contains(p+"/", "/./") && !strings.Contains(p+"/", "/../")
}
