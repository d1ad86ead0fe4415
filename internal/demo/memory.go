package demo

// memory is a set that forgets its oldest entry when it is full.
type memory struct {
	known map[string]struct{}
	ring  []string
	next  int
}

func newMemory(size int) *memory {
	return &memory{known: map[string]struct{}{}, ring: make([]string, size)}
}

func (s *memory) has(key string) bool {
	_, ok := s.known[key]
	return ok
}

func (s *memory) add(key string) {
	if s.has(key) {
		return
	}
	delete(s.known, s.ring[s.next])
	s.ring[s.next] = key
	s.known[key] = struct{}{}
	s.next = (s.next + 1) % len(s.ring)
}
