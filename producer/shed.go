package producer

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/producer/api"
)

// shed turns new orders away when there is more work than can be done. It comes
// before everything else, and a refusal takes no more than finding out whose key
// it is: what is spent on those who are turned away is missing for those who
// were let in. These have their key looked at once more by the gate, which takes
// a quarter of a microsecond.
func (s *server) shed(next http.Handler) http.Handler {
	if s.opt.Intake == nil {
		return next
	}
	all := routes()
	begins := all[slices.IndexFunc(all, route.begins)]
	away := newTurnAway()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != begins.method || r.URL.Path != begins.path || !s.mayCall(r, begins.roles) {
			next.ServeHTTP(w, r)
			return
		}
		began := time.Now()
		after, refused := s.opt.Intake.Refuse()
		if !refused {
			next.ServeHTTP(w, r)
			return
		}
		away.write(w, requestIDOf(r), after)
		s.opt.Requested(begins.String(), r.Method, http.StatusServiceUnavailable, time.Since(began))
	})
}

// mayCall says whether a request shows a key of one of these roles. Who does not
// is told so later, with all that belongs to it, and learns nothing of how busy
// it is here.
func (s *server) mayCall(r *http.Request, roles []access.Role) bool {
	who, err := s.opt.Guard.Authenticate(r.Context(), r)
	return err == nil && who.May(roles...) && s.allowed.Check(r) == nil
}

// turnAway is the problem Overloaded, made once: only the request's name and the
// wait differ.
type turnAway struct{ before, after []byte }

func newTurnAway() turnAway {
	const mark = "{instance}" // as it is also in JSON
	p := fault(api.Overloaded, "")
	p.Instance = mark
	before, after, _ := bytes.Cut(append(render(p), '\n'), []byte(mark))
	return turnAway{before, after}
}

func (f turnAway) write(w http.ResponseWriter, id string, after time.Duration) {
	// The server reads past the body before it answers: it does not wait long.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second)) // a test's recorder has no line
	h := w.Header()
	h["X-Request-Id"], h["X-Content-Type-Options"], h["Cache-Control"] = []string{id}, nosniff, noStore
	h["Content-Type"], h["Retry-After"] = problemJSON, []string{strconv.Itoa(int(math.Ceil(after.Seconds())))}
	w.WriteHeader(http.StatusServiceUnavailable)
	body := make([]byte, 0, 512)
	body = append(body, f.before...)
	body = append(body, instanceOf(id)...)
	_, _ = w.Write(append(body, f.after...)) //nolint:gosec // JSON with a name of [A-Za-z0-9._~-]; a caller who has gone away is not told
}

// Headers that are always the same.
var (
	nosniff     = []string{"nosniff"}
	noStore     = []string{"no-store"}
	problemJSON = []string{"application/problem+json"}
)

// requestIDOf is the caller's own name for a request, or a new one.
func requestIDOf(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && requestID.MatchString(id) {
		return id
	}
	return uuid.Must(uuid.NewV7()).String()
}

func instanceOf(id string) string { return "urn:orderflow:request:" + id }
