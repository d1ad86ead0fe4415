package access

import (
	"encoding/json"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

// Require lets a request through to next when its key has one of roles, with
// the Principal in its context. It is for pages that people open in a browser,
// the monitor and the docs, so it asks for the key with Basic.
func (g *Guard) Require(next http.Handler, roles ...Role) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := g.Authenticate(r.Context(), r)
		switch {
		case err == nil && p.May(roles...):
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), p)))
		case err == nil:
			refuse(w, http.StatusForbidden, "forbidden", "This page is for the role "+either(roles)+
				"; your key has the role "+string(p.Role)+". Use another key, or ask an operator.")
		case Refused(err):
			w.Header().Set("WWW-Authenticate", `Basic realm="Orderflow", charset="UTF-8"`)
			refuse(w, http.StatusUnauthorized, "unauthenticated", "Show a key, as a Bearer token or as the password of Basic with any user name: "+err.Error()+".")
		default:
			if r.Context().Err() == nil {
				g.opts.Log.Error("cannot check a key", zap.String("path", r.URL.Path), zap.Error(err))
			}
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "unavailable", "Keys cannot be checked just now. Your key may well be right: try again in a moment.")
		}
	})
}

func either(roles []Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, " or ")
}

// refuse answers with a problem of RFC 9457, of the types that the API has for
// these refusals.
func refuse(w http.ResponseWriter, status int, problem, detail string) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // a caller who has gone away is not told
		"type": "urn:orderflow:problem:" + problem, "title": http.StatusText(status), "status": status, "detail": detail,
	})
}
