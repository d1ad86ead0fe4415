package monitor

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/orderflow/orderflow/tasks"
	"github.com/redis/go-redis/v9"
)

// Options says how Asynqmon is served.
type Options struct {
	// Redis stays its owner's: Asynqmon never closes it. Give it one that gives
	// up soon (few retries, short timeouts), or a page hangs while Redis is away.
	Redis redis.UniversalClient
	// RootPath is where the page lives, "/monitor" when empty. Mount the handler
	// there and below, with the path unstripped.
	RootPath string
	// ReadOnly answers 405 to everything that would change a queue.
	ReadOnly bool
	// Guard lets operators in and nobody else. It is required: Asynqmon asks
	// nobody who he is, and it can delete tasks.
	Guard func(http.Handler) http.Handler
}

// Asynqmon is the queues' page, made safe to serve: behind the guard, with its
// payloads masked, closed to requests that another site's page makes in an
// operator's name, and under a policy that lets nothing be fetched from
// elsewhere.
func Asynqmon(o Options) (http.Handler, error) {
	root := strings.TrimSuffix(o.RootPath, "/")
	if o.RootPath == "" {
		root = "/monitor"
	}
	switch {
	case o.Redis == nil:
		return nil, errors.New("asynqmon: no Redis client was given")
	case o.Guard == nil:
		return nil, errors.New("asynqmon: no guard was given, and it has no authentication of its own")
	case !rootPath.MatchString(root):
		return nil, fmt.Errorf("asynqmon: root path %q: want one such as /monitor", o.RootPath)
	}
	page := asynqmon.New(asynqmon.Options{
		RootPath:         root,
		RedisConnOpt:     borrowed{o.Redis},
		PayloadFormatter: asynqmon.PayloadFormatterFunc(maskPayload),
		ResultFormatter:  asynqmon.ResultFormatterFunc(func(_ string, b []byte) string { return masked(b) }),
		ReadOnly:         o.ReadOnly,
	})
	policy, err := pagePolicy(page, root)
	if err != nil {
		return nil, err
	}
	return o.Guard(withHeaders(policy, http.NewCrossOriginProtection().Handler(page))), nil
}

// rootPath also keeps the path harmless inside the page, which carries it.
var rootPath = regexp.MustCompile(`^(/[A-Za-z0-9_-]+)+$`)

// borrowed hands Asynqmon a client that is somebody else's. Asynqmon's Close,
// which would close it, is never called.
type borrowed struct{ client redis.UniversalClient }

func (b borrowed) MakeRedisClient() any { return b.client }

var _ asynq.RedisConnOpt = borrowed{}

// maskPayload shows which rows a task carries, and of a payload that is no
// bundle only its size. The text is no JSON, which the page would break into a
// line for each id; the quotes keep it from colouring the ids' digits.
func maskPayload(kind string, payload []byte) string {
	subjects, err := tasks.Decode(payload)
	if err != nil {
		return masked(payload)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s ×%d:", kind, len(subjects))
	for _, s := range subjects {
		fmt.Fprintf(&text, " %q", s.String())
	}
	return text.String()
}

func masked(b []byte) string { return fmt.Sprintf("masked, %d bytes", len(b)) }

// pagePolicy is the Content-Security-Policy of the page. The page asks for web
// fonts, and hangs where there is no internet: only this host's files are let
// in. Its two inline scripts are admitted by their hashes, taken from the page
// as it is served; its style sheets are written by its own scripts, so inline
// styles are allowed.
func pagePolicy(page http.Handler, root string) (string, error) {
	html := &capture{header: http.Header{}}
	page.ServeHTTP(html, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: root + "/"}, Header: http.Header{}})
	scripts := inlineScript.FindAllSubmatch(html.body.Bytes(), -1)
	if len(scripts) == 0 {
		return "", errors.New("asynqmon: its page is not as expected: it has no inline script; check the version of asynqmon")
	}
	sources := "'self'"
	for _, s := range scripts {
		sum := sha256.Sum256(s[1])
		sources += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; script-src " + sources + "; style-src 'self' 'unsafe-inline'; " +
		"connect-src 'self'; img-src 'self'; font-src 'self'; manifest-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nil
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// capture is a response that is kept.
type capture struct {
	header http.Header
	body   bytes.Buffer
}

func (c *capture) Header() http.Header         { return c.header }
func (c *capture) Write(b []byte) (int, error) { return c.body.Write(b) }
func (c *capture) WriteHeader(int)             {}

func withHeaders(policy string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: that turns the Origin of the page's own requests into
		// "null", and over plain HTTP they would be refused as foreign.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
