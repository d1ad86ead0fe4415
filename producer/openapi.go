package producer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/orderflow/orderflow/internal/access"
)

// settle sets what huma keeps in package variables. They are the same for
// every door of a process.
var settle = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
	huma.NewError = misread
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := misread(status, msg, errs...).(*problem)
		return p.of(callOf(ctx.Context()))
	}
	validation.MsgExpectedMinimumNumber = "want at least %.0f"
	validation.MsgExpectedMaximumNumber = "want at most %.0f"
	validation.MsgExpectedMinLength = "want at least %d characters"
	validation.MsgExpectedMaxLength = "want at most %d characters"
	validation.MsgExpectedMinItems = "want at least %d"
	validation.MsgExpectedMaxItems = "want at most %d"
	validation.MsgExpectedMaxProperties = "want at most %d entries"
	validation.MsgExpectedBePattern = "want %s"
	validation.MsgExpectedOneOf = "want one of: %s"
	validation.MsgExpectedInteger = "want an integer"
	validation.MsgExpectedString = "want a string"
	validation.MsgExpectedArray = "want an array"
	validation.MsgExpectedObject = "want an object"
	validation.MsgUnexpectedProperty = "is not a field of this call"
})

// newAPI is huma on mux, with nothing of its own but the routes that are added.
func newAPI(mux *http.ServeMux) huma.API {
	settle()
	c := huma.DefaultConfig("Orderflow", "1")
	c.CreateHooks = nil
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.Formats = map[string]huma.Format{"application/json": format(), "json": format()} // the second is any +json
	c.Info.Description = description()
	c.Servers = []*huma.Server{{URL: "/"}}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "A key of the role that the call asks for."},
	}
	return humago.New(mux, c)
}

// operation is a route as huma and the document know it.
func (s *server) operation(r route) huma.Operation {
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Summary: r.summary, DefaultStatus: r.success,
		Description:                  "For: " + who(r.roles) + ".",
		Tags:                         []string{strings.Split(r.path, "/")[2]},
		Security:                     []map[string][]string{{"key": {}}},
		Middlewares:                  huma.Middlewares{s.gate(r)},
		MaxBodyBytes:                 maxBody + 1, // the gate has measured it
		BodyReadTimeout:              -1,          // and timed it
		RejectUnknownQueryParameters: true,
	}
	if len(r.roles) == 0 {
		op.Security, op.RejectUnknownQueryParameters = []map[string][]string{}, false
	}
	return op
}

func who(roles []access.Role) string {
	if len(roles) == 0 {
		return "the channel, which signs what it sends"
	}
	return either(roles)
}

// document is the finished OpenAPI document.
func document(api huma.API) []byte {
	b, err := json.MarshalIndent(api.OpenAPI(), "", " ")
	if err != nil {
		panic(fmt.Sprintf("producer: the routes always have a description: %v", err))
	}
	return b
}

func (s *server) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	_, _ = w.Write(s.openapi)
}

// description is what everybody should know, with the table of problems.
func description() string {
	var b strings.Builder
	b.WriteString(`Orders, from their making to the last refund.

* **Amounts** are whole minor units of their currency: 1999 is 19.99 CNY. **Times** are RFC 3339 in UTC.
* **Keys** go into ` + "`Authorization: Bearer <key>`" + `. A key has a role: *app* acts for any merchant, *merchant* for itself, *operator* runs the installation.
* **Idempotency-Key** (1 to 255 printable ASCII characters) makes a POST that creates an order, a payment or a refund safe to repeat: the same key with the same body gets the same answer, with the header ` + "`Idempotency-Replayed: true`" + `; with another body it is refused. The payment in such an answer is shown as it stands now. The steps of an order and of a refund (cancel, delivery, retry and so on) need no key: taken twice, they answer the same.
* **Bodies** are JSON, at most 1 MiB. Unknown fields are refused.
* **X-Request-Id** is taken from the request or made up, and comes back in the answer, in a problem's ` + "`instance`" + ` and in the log.

Every answer that is not a success is a problem (RFC 9457, ` + "`application/problem+json`" + `). Decide by its ` + "`type`" + `:

| type | status | title | what to do |
|---|---|---|---|
`)
	for _, k := range kinds() {
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s |\n", k.name, k.status, k.title, k.next)
	}
	return b.String()
}
