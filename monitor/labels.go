package monitor

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
)

// other stands for every value of a label beyond those that it may take.
const other = "other"

// label admits the first so many values that it sees. A series costs memory
// here and in Prometheus for as long as they live, and what makes one may come
// from a stranger.
type label struct {
	most int
	mu   sync.RWMutex
	seen map[string]bool
}

func newLabel(most int) *label { return &label{most: most, seen: map[string]bool{}} }

func (l *label) of(value string) string {
	l.mu.RLock()
	known := l.seen[value]
	l.mu.RUnlock()
	if known || l.admit(value) {
		return value
	}
	return other
}

func (l *label) admit(value string) bool {
	if value == "" || len(value) > 100 || !utf8.ValidString(value) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) < l.most {
		l.seen[value] = true
	}
	return l.seen[value]
}

// among is value when it is one of those known.
func among[T ~string](known []T, value T) string {
	if slices.Contains(known, value) {
		return string(value)
	}
	return other
}

func methods() []string {
	return []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
}

// outcomes are what a try of a task can end in.
func outcomes() []string { return []string{"done", "later", "dead", "gone", "panic"} }

// codeClass is 2xx for 200 to 299, and so on.
func codeClass(status int) string {
	if status < 100 || status > 599 {
		return other
	}
	return strconv.Itoa(status/100) + "xx"
}
