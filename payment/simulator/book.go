package simulator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// errAsIs is a change's way to say that there is nothing to change.
var errAsIs = errors.New("nothing changed")

// book is the payments by out_trade_no. With a journal, a change is in the file
// before anybody sees it; the file is one JSON line per change, the whole
// payment each, the last one of a number counts. It is not synced to the disk:
// it survives restarts, not power cuts.
type book struct {
	path string // of the journal; empty: memory alone

	mu       sync.Mutex
	payments map[string]*Payment // never changed in place
	journal  *os.File
	lines    int // in the journal
	closed   bool
}

// spareLines is how many lines that no longer count the journal may have beside
// as many as there are payments, before it is written anew.
const spareLines = 1000

// openBook reads the journal and writes it anew, without the lines that no
// longer count, without the payments that may be forgotten, and without a last
// line that a crash has torn.
func openBook(path string, now time.Time, forgettable func(*Payment) bool) (*book, error) {
	b := &book{path: path, payments: map[string]*Payment{}}
	if path == "" {
		return b, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("sandbox journal: %w", err)
	}
	if err := b.read(path, now); err != nil {
		return nil, err
	}
	b.drop(forgettable)
	if err := b.rewrite(); err != nil {
		return nil, fmt.Errorf("sandbox journal: %w", err)
	}
	return b, nil
}

// read reads a journal. Payments of a time when changes were not dated count as
// changed now.
func (b *book) read(path string, now time.Time) error {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sandbox journal: %w", err)
	}
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(content, []byte("\n"))
		if !whole {
			return nil
		}
		var p Payment
		if err := json.Unmarshal(line, &p); err != nil {
			return fmt.Errorf("sandbox journal %s: line %d: %w; move the file away to begin anew", path, n, err)
		}
		if p.Changed.IsZero() {
			p.Changed = now.UTC()
		}
		b.payments[p.OutTradeNo] = &p
		content = rest
	}
}

// forget drops payments, and writes the journal anew when most of it no longer
// counts. When that fails the old one goes on; it lacks nothing.
func (b *book) forget(forgettable func(*Payment) bool) (dropped int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	dropped = b.drop(forgettable)
	if b.journal == nil || b.closed || b.lines <= 2*len(b.payments)+spareLines {
		return dropped, nil
	}
	if err := b.rewrite(); err != nil {
		return dropped, fmt.Errorf("sandbox journal: %w", err)
	}
	return dropped, nil
}

func (b *book) drop(forgettable func(*Payment) bool) int {
	before := len(b.payments)
	maps.DeleteFunc(b.payments, func(_ string, p *Payment) bool { return forgettable(p) })
	return before - len(b.payments)
}

// rewrite replaces the journal by one with a line per payment, sorted by
// number.
func (b *book) rewrite() error {
	next, err := os.OpenFile(b.path+".new", os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err = b.writeAll(next); err == nil {
		err = os.Rename(next.Name(), b.path)
	}
	if err != nil {
		_ = next.Close()
		return err
	}
	old := b.journal
	b.journal, b.lines = next, len(b.payments)
	if old != nil {
		_ = old.Close() // all of it is in the new one
	}
	return nil
}

func (b *book) writeAll(to io.Writer) error {
	buffered := bufio.NewWriter(to)
	lines := json.NewEncoder(buffered)
	for _, no := range slices.Sorted(maps.Keys(b.payments)) {
		if err := lines.Encode(b.payments[no]); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// update hands change a copy of the payment, a blank one when there is none,
// and keeps it unless change returns an error. errAsIs is no error to the
// caller, and nothing is written.
func (b *book) update(outTradeNo string, change func(*Payment) error) (before, after Payment, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before = Payment{OutTradeNo: outTradeNo}
	if p := b.payments[outTradeNo]; p != nil {
		before = p.clone()
	}
	changed := before.clone()
	switch err := change(&changed); {
	case errors.Is(err, errAsIs):
		return before, before, nil
	case err != nil:
		return before, before, err
	}
	if err := b.append(&changed); err != nil {
		return before, before, err
	}
	b.payments[outTradeNo] = &changed
	return before, changed.clone(), nil
}

func (b *book) append(p *Payment) error {
	if b.closed {
		return errors.New("the sandbox channel is stopped")
	}
	if b.journal == nil {
		return nil
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, err := b.journal.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("sandbox journal: %w", err)
	}
	b.lines++
	return nil
}

func (b *book) get(outTradeNo string) (Payment, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.payments[outTradeNo]
	if !ok {
		return Payment{OutTradeNo: outTradeNo}, false
	}
	return p.clone(), true
}

// all is a copy of every payment, sorted by number.
func (b *book) all() []Payment {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Payment, 0, len(b.payments))
	for _, p := range b.payments {
		list = append(list, p.clone())
	}
	slices.SortFunc(list, func(x, y Payment) int { return strings.Compare(x.OutTradeNo, y.OutTradeNo) })
	return list
}

func (b *book) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	if b.journal == nil {
		return nil
	}
	return b.journal.Close()
}
