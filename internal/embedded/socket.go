package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// longestSocket is what fits into a socket's address: 104 bytes on macOS, 108
// on Linux, both with a closing zero, and a port may have a digit more than
// socketPort.
const longestSocket = 102

// plain paths need no quoting, neither in a setting nor in a URL.
var plain = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

// makeSocketDir finds a place for the server's socket that nobody else can
// enter: trusting whoever connects is safe only there. Its own directory is
// best, as the URL then stays the same; a short temporary one if that is too
// long.
func (c *cluster) makeSocketDir() error {
	if fits(c.dir) {
		c.socket = c.dir
		_ = os.Remove(socketIn(c.dir))
		_ = os.Remove(socketIn(c.dir) + ".lock") // names a process, as postmaster.pid does
		return nil
	}
	dir, err := os.MkdirTemp("/tmp", "orderflow-")
	if err != nil {
		return fmt.Errorf("make a directory for the socket: %w", err)
	}
	c.socket = dir
	if err := os.Chown(dir, c.as.uid, c.as.gid); err != nil {
		return fmt.Errorf("hand the socket's directory to %s: %w", c.as.name, err)
	}
	return nil
}

func socketIn(dir string) string { return filepath.Join(dir, ".s.PGSQL."+socketPort) }

func fits(dir string) bool { return len(socketIn(dir)) <= longestSocket && plain.MatchString(dir) }

func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&port=%s", pgUser, database, c.socket, c.port)
}
