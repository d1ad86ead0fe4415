package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// errAsIs is a change's way to say that there is nothing to change.
var errAsIs = errors.New("nothing changed")

// book is all payments by out_trade_no. With a journal, a change is in the file
// before anybody sees it; the file is one JSON line per change, the whole
// payment each, the last one of a number counts. It is not synced to the disk:
// it survives restarts, not power cuts.
type book struct {
	mu       sync.Mutex
	payments map[string]*Payment // never changed in place
	journal  *os.File            // nil: memory alone
	closed   bool
}

// openBook reads the journal and writes it anew, without the lines that no
// longer count and without a last line that a crash has torn.
func openBook(path string) (*book, error) {
	b := &book{payments: map[string]*Payment{}}
	if path == "" {
		return b, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("sandbox journal: %w", err)
	}
	if err := b.read(path); err != nil {
		return nil, err
	}
	if err := b.rewrite(path); err != nil {
		return nil, fmt.Errorf("sandbox journal: %w", err)
	}
	return b, nil
}

func (b *book) read(path string) error {
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
		b.payments[p.OutTradeNo] = &p
		content = rest
	}
}

func (b *book) rewrite(path string) error {
	var lines bytes.Buffer
	for _, p := range b.all() {
		if err := json.NewEncoder(&lines).Encode(p); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path+".new", lines.Bytes(), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	b.journal = f
	return err
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
