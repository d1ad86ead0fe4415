package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"text/template"
	"time"
	"unicode"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

const (
	// smsLimit bounds one call. It is below the limit of a try of AlertSend, so
	// that there is time to write what came of it.
	smsLimit = 10 * time.Second
	// mostAnswer is how much of an answer is read, so that the connection can be
	// used again; its status says all.
	mostAnswer = 4 << 10
)

// Gateway is what is to be known of a provider of SMS: a URL that takes a POST.
type Gateway struct {
	URL string
	To  string // whoever is on duty, as the provider writes it
	// Template is the body, a text/template of what Message has. {{json .Text}}
	// quotes for JSON, {{urlquery .Text}} for a form.
	Template    string
	ContentType string
	Secret      string // goes as "Authorization: Bearer …"; "" sends none
}

// Message is what a Gateway's Template may say.
type Message struct {
	ID    string // the same on every try
	To    string
	Name  string // such as task_dead
	Order string // its id; "" when the alert is about none
	Text  string // one line
	At    string // when it happened, as 2006-01-02T15:04:05Z: a try can come late
}

// SMS is the Sender that calls a Gateway.
type SMS struct {
	gateway   Gateway
	host      string
	body      *template.Template
	transport *http.Transport
	hide      *strings.Replacer
	limit     time.Duration
}

// NewSMS checks what g says, its template on an example, so that a fault is
// seen at the start and not at the first alert. Close it when done.
func NewSMS(g Gateway) (*SMS, error) {
	u, err := url.Parse(g.URL)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("its URL: want http:// or https:// with a host and no user") // it may hold a key, and is not shown
	}
	if strings.ContainsFunc(g.Secret, unicode.IsControl) {
		return nil, errors.New("its secret cannot be sent in a header: is there a line break at its end?")
	}
	s := &SMS{gateway: g, host: u.Host, hide: hiding(u, g.Secret), limit: smsLimit}
	if s.body, err = parse(g); err != nil {
		return nil, err
	}
	s.transport = http.DefaultTransport.(*http.Transport).Clone()
	s.transport.MaxResponseHeaderBytes = mostAnswer
	return s, nil
}

// parse reads g's template and tries it on texts that are hard to quote.
func parse(g Gateway) (*template.Template, error) {
	media, _, err := mime.ParseMediaType(g.ContentType)
	if err != nil {
		return nil, fmt.Errorf("its content type: %w", err)
	}
	t, err := template.New("alert").Funcs(template.FuncMap{"json": quoted}).Parse(g.Template)
	if err != nil {
		return nil, fmt.Errorf("its template: %w", err)
	}
	for _, example := range []tasks.Alert{
		{Name: tasks.AlertTaskDead, Text: `a "quoted" \ line of 100 % & more`, Order: ident.New[order.Order](), At: time.Unix(0, 0)},
		{Name: tasks.AlertTaskDead, Text: "of no order", At: time.Unix(0, 0)},
	} {
		var b strings.Builder
		if err := t.Execute(&b, message("id", g.To, example)); err != nil {
			return nil, fmt.Errorf("its template: %w", err)
		}
		if strings.HasSuffix(media, "json") && !json.Valid([]byte(b.String())) {
			return nil, errors.New("its template makes no JSON: quote every value, as in {{json .Text}}")
		}
	}
	return t, nil
}

func quoted(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func message(id, to string, a tasks.Alert) Message {
	m := Message{ID: id, To: to, Name: string(a.Name), Text: a.Text, At: a.At.UTC().Format(time.RFC3339)}
	if !a.Order.IsZero() {
		m.Order = a.Order.String()
	}
	return m
}

// hiding takes out of an error what must not be seen. A gateway that is none
// answers with anything, our own request included.
func hiding(u *url.URL, secret string) *strings.Replacer {
	const hidden = "(hidden)"
	var pairs []string
	for _, s := range []string{u.RequestURI(), u.RawQuery, secret} {
		if len(s) > 1 { // "/" is no secret
			pairs = append(pairs, s, hidden)
		}
	}
	return strings.NewReplacer(pairs...)
}

// Send implements Sender: any 2xx means that the gateway has the alert.
func (s *SMS) Send(ctx context.Context, id string, a tasks.Alert) error {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	err := s.call(ctx, id, a)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("SMS gateway %s: no answer within %s", s.host, s.limit)
	}
	return fmt.Errorf("SMS gateway %s: %s", s.host, s.hide.Replace(err.Error()))
}

// call makes one exchange. The transport is asked and no http.Client, which
// would follow redirects, and name the whole URL in its errors.
func (s *SMS) call(ctx context.Context, id string, a tasks.Alert) error {
	var body strings.Builder
	if err := s.body.Execute(&body, message(id, s.gateway.To, a)); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.gateway.URL, strings.NewReader(body.String()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", s.gateway.ContentType)
	req.Header.Set("User-Agent", "Orderflow-Alert/1")
	req.Header.Set("Idempotency-Key", id)
	if s.gateway.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+s.gateway.Secret)
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return judge(resp)
}

// judge says whether the gateway has the alert. It has when it says so, even if
// the rest of its answer does not come.
func judge(resp *http.Response) error {
	said := fmt.Sprintf("it answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)) // its own words could be anything
	switch resp.StatusCode / 100 {
	case 2:
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, mostAnswer))
		return nil
	case 3:
		return errors.New(said + ", and redirects are not followed: set the URL to where it leads")
	}
	return errors.New(said)
}

// Close closes the connections that are kept open.
func (s *SMS) Close() { s.transport.CloseIdleConnections() }
