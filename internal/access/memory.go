package access

import (
	"sync"
	"time"
)

// memory keeps answers until they expire, and never more than size of them.
type memory struct {
	mu      sync.Mutex
	size    int
	answers map[[32]byte]answer
}

type answer struct {
	principal Principal
	until     time.Time
}

func newMemory(size int) *memory {
	return &memory{size: size, answers: map[[32]byte]answer{}}
}

func (m *memory) get(hash [32]byte, now time.Time) (Principal, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.answers[hash]
	return a.principal, ok && now.Before(a.until)
}

// put makes room by forgetting any one answer: what is still in use is asked
// for again, which costs one question.
func (m *memory) put(hash [32]byte, p Principal, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.answers[hash]; !there && len(m.answers) >= m.size {
		for other := range m.answers {
			delete(m.answers, other)
			break
		}
	}
	m.answers[hash] = answer{p, until}
}
