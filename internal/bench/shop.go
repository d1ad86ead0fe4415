package bench

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/orderflow/orderflow/internal/embedded"
)

// shop is the merchant's process and what it reports.
type shop struct {
	child *embedded.Child
	urls  []string       // where notices go, one for each door
	hangs io.WriteCloser // ended: no door hangs any more
	read  chan struct{}  // closed when all that it reported is in the book
}

// openShop starts the merchant and lets its reports go into the book.
func openShop(program []string, sys system, think time.Duration, doors Doors, b *book) (*shop, error) {
	name, secret := sys.reader()
	cmd := command(program, "bench", "merchant", "--reader", name, "--think", think.String(),
		"--doors", strconv.Itoa(doors.count()), "--hanging", fmt.Sprint(doors.Hanging), "--hang", doors.For.String())
	cmd.Env = append(os.Environ(), MerchantSecret+"="+secret)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the merchant: %w", err)
	}
	hangs, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the merchant: %w", err)
	}
	child, err := embedded.Start(cmd, syscall.SIGTERM)
	if err != nil {
		return nil, fmt.Errorf("start the merchant: %w", err)
	}
	s := &shop{child: child, hangs: hangs, read: make(chan struct{})}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	addrs, ok := strings.CutPrefix(strings.TrimSpace(first), "listening ")
	if !ok {
		child.Stop(time.Second)
		return nil, fmt.Errorf("start the merchant: it said %q: %w", first, cmp.Or(err, errors.New("want its address")))
	}
	for _, addr := range strings.Fields(addrs) {
		s.urls = append(s.urls, "http://"+addr+"/notices")
	}
	go func() {
		defer close(s.read)
		file(lines, b)
	}()
	return s, nil
}

// mend has the doors that hang answer as the others do, from now on.
func (s *shop) mend() { _ = s.hangs.Close() }

// close ends the merchant, and returns when its last report is in the book.
func (s *shop) close() {
	s.child.Stop(10 * time.Second)
	<-s.read
}

// file puts a merchant's reports into the book, until they end.
func file(from io.Reader, b *book) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		if err := fileOne(lines.Text(), b); err != nil {
			b.refuse(err.Error())
		}
	}
}

func fileOne(line string, b *book) error {
	kind, rest, _ := strings.Cut(line, " ")
	if kind == "refused" {
		b.refuse(rest)
		return nil
	}
	f := strings.Fields(rest)
	if kind != "told" || len(f) != 3 {
		return fmt.Errorf("report %q", line)
	}
	nanos, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return fmt.Errorf("report %q: %w", line, err)
	}
	b.tell(f[0], f[1], time.Unix(0, nanos))
	return nil
}

// command calls a program by the name that it goes by.
func command(program []string, args ...string) *exec.Cmd {
	cmd := exec.Command(program[0], args...) //nolint:gosec,noctx // ourselves, or what the caller names; Stop ends it
	cmd.Args[0] = program[len(program)-1]
	return cmd
}
