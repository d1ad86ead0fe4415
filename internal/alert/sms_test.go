package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

const asJSON = `{"to":{{json .To}},"text":{{json .Text}}}`

func fire() tasks.Alert {
	return tasks.Alert{Name: tasks.AlertTaskDead, Order: ident.New[order.Order](), Text: `the "shop" is <dead>`, At: time.Date(2026, 3, 1, 2, 13, 0, 0, time.UTC)}
}

// gateway is one that answers as handle does, and an SMS that calls it.
func gateway(t *testing.T, handle http.HandlerFunc, changes ...func(*Gateway)) *SMS {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	g := Gateway{URL: server.URL + "/send?key=hush", To: "+49 170 1", Template: asJSON, ContentType: "application/json", Secret: "s3cret"}
	for _, change := range changes {
		change(&g)
	}
	s, err := NewSMS(g)
	require.NoError(t, err)
	t.Cleanup(s.Close) // before the server, which waits for idle connections
	return s
}

func TestWhatAGatewayIsSent(t *testing.T) {
	t.Parallel()
	a := fire()
	for name, c := range map[string]struct {
		change func(*Gateway)
		check  func(t *testing.T, r *http.Request, body string)
	}{
		"as it is": {func(*Gateway) {}, func(t *testing.T, r *http.Request, body string) {
			require.Equal(t, http.MethodPost, r.Method)
			require.Equal(t, "/send?key=hush", r.URL.RequestURI())
			require.Equal(t, "application/json", r.Header.Get("Content-Type"))
			require.Equal(t, "Bearer s3cret", r.Header.Get("Authorization"))
			require.Equal(t, "id-1", r.Header.Get("Idempotency-Key"))
			require.Equal(t, int64(len(body)), r.ContentLength)
			var got map[string]string
			require.NoError(t, json.Unmarshal([]byte(body), &got))
			require.Equal(t, map[string]string{"to": "+49 170 1", "text": `the "shop" is <dead>`}, got)
		}},
		"a form": {func(g *Gateway) {
			g.Template, g.ContentType = "to={{urlquery .To}}&text={{urlquery .Text}}", "application/x-www-form-urlencoded"
		}, func(t *testing.T, r *http.Request, body string) {
			require.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
			got, err := url.ParseQuery(body)
			require.NoError(t, err)
			require.Equal(t, url.Values{"to": {"+49 170 1"}, "text": {`the "shop" is <dead>`}}, got)
		}},
		"all that there is": {func(g *Gateway) {
			g.Template, g.ContentType = "{{.ID}}|{{.Name}}|{{.Order}}|{{.At}}", "text/plain; charset=utf-8"
		}, func(t *testing.T, _ *http.Request, body string) {
			require.Equal(t, "id-1|task_dead|"+a.Order.String()+"|2026-03-01T02:13:00Z", body)
		}},
		"without a secret": {func(g *Gateway) { g.Secret = "" }, func(t *testing.T, r *http.Request, _ string) {
			require.NotContains(t, r.Header, "Authorization")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := 0
			s := gateway(t, func(w http.ResponseWriter, r *http.Request) {
				called++
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				c.check(t, r, string(body))
				w.WriteHeader(http.StatusAccepted)
			}, c.change)
			require.NoError(t, s.Send(t.Context(), "id-1", a))
			require.Equal(t, 1, called)
		})
	}
}

func TestAnAlertAboutNoOrderNamesNone(t *testing.T) {
	t.Parallel()
	s := gateway(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		require.Equal(t, "[]", string(body))
	}, func(g *Gateway) { g.Template, g.ContentType = "[{{.Order}}]", "text/plain" })
	a := fire()
	a.Order = order.ID{}
	require.NoError(t, s.Send(t.Context(), "id-1", a))
}

func TestWhatAGatewaysAnswerMeans(t *testing.T) {
	t.Parallel()
	for status, because := range map[int]string{
		200: "", 201: "", 202: "", 204: "",
		301: "it answered 301 Moved Permanently, and redirects are not followed",
		307: "it answered 307 Temporary Redirect, and redirects are not followed",
		400: "it answered 400 Bad Request", 401: "it answered 401 Unauthorized", 429: "it answered 429 Too Many Requests",
		500: "it answered 500 Internal Server Error", 503: "it answered 503 Service Unavailable", 599: "it answered 599",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var called atomic.Int32
			s := gateway(t, func(w http.ResponseWriter, r *http.Request) {
				called.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
				if status != http.StatusNoContent {
					fmt.Fprint(w, r.Header.Get("Authorization"), r.URL, strings.Repeat("x", 3*mostAnswer))
				}
			})
			err := s.Send(t.Context(), "id-1", fire())
			require.EqualValues(t, 1, called.Load(), "one call a try")
			if because == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "SMS gateway 127.0.0.1:")
			require.ErrorContains(t, err, because)
			shows(t, err, "s3cret", "hush", "xxx")
		})
	}
}

func shows(t *testing.T, err error, nothingOf ...string) {
	t.Helper()
	for _, s := range nothingOf {
		require.NotContains(t, err.Error(), s)
	}
}

func TestAGatewayThatHangs(t *testing.T) {
	t.Parallel()
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the caller went away
		<-r.Context().Done()
	}
	t.Run("is given up", func(t *testing.T) {
		t.Parallel()
		s := gateway(t, hang)
		require.Equal(t, 10*time.Second, s.limit)
		s.limit = 50 * time.Millisecond
		err := s.Send(t.Context(), "id-1", fire())
		require.ErrorContains(t, err, "no answer within 50ms")
		shows(t, err, "s3cret", "hush")
	})
	t.Run("when we are stopped", func(t *testing.T) {
		t.Parallel()
		ctx, stop := context.WithCancel(t.Context())
		s := gateway(t, func(w http.ResponseWriter, r *http.Request) { stop(); hang(w, r) })
		require.ErrorContains(t, s.Send(ctx, "id-1", fire()), "context canceled")
	})
	t.Run("once it has said yes", func(t *testing.T) {
		t.Parallel()
		s := gateway(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			hang(w, r)
		})
		s.limit = 200 * time.Millisecond
		require.NoError(t, s.Send(t.Context(), "id-1", fire()), "it has the alert")
	})
	t.Run("and answers for ever", func(t *testing.T) {
		t.Parallel()
		s := gateway(t, func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, mostAnswer)); err != nil {
					return
				}
			}
		})
		require.NoError(t, s.Send(t.Context(), "id-1", fire()))
	})
}

func TestAGatewayThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := gateway(t, func(http.ResponseWriter, *http.Request) {}, func(g *Gateway) { g.URL = "http://127.0.0.1:1/send?key=hush" })
	err := s.Send(t.Context(), "id-1", fire())
	require.ErrorContains(t, err, "SMS gateway 127.0.0.1:1: dial tcp")
	shows(t, err, "s3cret", "hush")
}

// Whatever listens there instead of a gateway: it may answer with our own
// request, and that ends in an error's text.
func TestAnEchoShowsNoSecret(t *testing.T) {
	t.Parallel()
	for name, echo := range map[string]func(request string) string{
		"all of it":  func(request string) string { return request },
		"the query":  func(request string) string { return "HTTP/1.1 " + between(request, "POST ", " ") + " no" },
		"the secret": func(request string) string { return "HTTP/1.1 " + between(request, "Bearer ", "\r\n") + " no" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			go func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					request := make([]byte, 4096)
					n, _ := conn.Read(request)
					_, _ = io.WriteString(conn, echo(string(request[:n])))
					_ = conn.Close()
				}
			}()
			s := gateway(t, nil, func(g *Gateway) { g.URL = "http://" + ln.Addr().String() + "/bot-hush/send?key=hush" })
			err = s.Send(t.Context(), "id-1", fire())
			require.ErrorContains(t, err, "malformed HTTP")
			require.ErrorContains(t, err, "(hidden)")
			shows(t, err, "s3cret", "hush")
		})
	}
}

// between is what of s stands between two texts.
func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func TestWhatIsWrongWithAGatewayIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*Gateway)
		because string
	}{
		"no URL":                   {func(g *Gateway) { g.URL = "" }, "its URL: want http:// or https://"},
		"no URL at all":            {func(g *Gateway) { g.URL = "http://hush\x7f" }, "its URL: want http:// or https://"},
		"a user":                   {func(g *Gateway) { g.URL = "https://u:hush@sms.example" }, "no user"},
		"another protocol":         {func(g *Gateway) { g.URL = "smtp://sms.example" }, "its URL: want http:// or https://"},
		"a line break":             {func(g *Gateway) { g.Secret = "hush\n" }, "its secret cannot be sent in a header: is there a line break at its end?"},
		"no content type":          {func(g *Gateway) { g.ContentType = "" }, "its content type: mime: no media type"},
		"two headers in one":       {func(g *Gateway) { g.ContentType = "text/plain\r\nX: y" }, "its content type: mime:"},
		"a template that breaks":   {func(g *Gateway) { g.Template = "{{.Text" }, "its template: template: alert:1: unclosed action"},
		"no such field":            {func(g *Gateway) { g.Template = "{{.Buyer}}" }, "its template: template: alert:1:2: executing"},
		"no such function":         {func(g *Gateway) { g.Template = "{{yaml .Text}}" }, `its template: template: alert:1: function "yaml" not defined`},
		"a value without quotes":   {func(g *Gateway) { g.Template = `{"text":{{.Text}}}` }, "its template makes no JSON"},
		"a value in naive quotes":  {func(g *Gateway) { g.Template = `{"text":"{{.Text}}"}` }, "its template makes no JSON"},
		"JSON by another name":     {func(g *Gateway) { g.Template, g.ContentType = "{{.Text}}", "application/vnd.sms+json; charset=utf-8" }, "its template makes no JSON"},
		"JSON unless of no order":  {func(g *Gateway) { g.Template = `{"o":{{if .Order}}{{json .Order}}{{end}}}` }, "its template makes no JSON"},
		"a template that is empty": {func(g *Gateway) { g.Template = "" }, "its template makes no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := Gateway{URL: "https://sms.example/send?key=hush", Template: asJSON, ContentType: "application/json", Secret: "hush"}
			c.change(&g)
			_, err := NewSMS(g)
			require.ErrorContains(t, err, c.because)
			shows(t, err, "hush")
		})
	}
}

// sender does what it is told and remembers the ids.
type sender struct {
	err error
	ids []string
}

func (s *sender) Send(_ context.Context, id string, _ tasks.Alert) error {
	s.ids = append(s.ids, id)
	return s.err
}

func TestOneSenderThatFailsKeepsNoOther(t *testing.T) {
	t.Parallel()
	broken, well := &sender{err: errors.New("boom")}, &sender{}
	require.ErrorContains(t, Senders{broken, well}.Send(t.Context(), "id-1", fire()), "boom")
	require.Equal(t, []string{"id-1"}, broken.ids)
	require.Equal(t, []string{"id-1"}, well.ids)
	require.NoError(t, Senders{well}.Send(t.Context(), "id-2", fire()))
	require.NoError(t, Senders{}.Send(t.Context(), "id-3", fire()))
}
