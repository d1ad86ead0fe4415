package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"go.uber.org/zap"
)

// assemble finds programs and an account that fit the directory and its data.
func assemble(ctx context.Context, h *home, o Options) (*cluster, error) {
	c := &cluster{home: h, Options: o, port: socketPort}
	runners, err := c.candidates()
	if err != nil {
		return nil, err
	}
	dirs := serverDirs(o.find)
	if len(dirs) == 0 {
		o.Log.Info("no PostgreSQL programs found: downloading them, once")
		dir, err := download(ctx, o.mirror, o.cache)
		if err != nil {
			return nil, missing(err)
		}
		dirs = []string{dir}
	}
	wanted, err := c.wanted()
	if err != nil {
		return nil, err
	}
	return c, c.choose(ctx, dirs, runners, wanted)
}

func (c *cluster) candidates() ([]account, error) {
	switch {
	case c.runners != nil:
		return c.runners(), nil
	case c.fresh():
		return accounts(), nil
	}
	return owners(c.data())
}

// wanted is the major version of the data, empty when there are none yet.
func (c *cluster) wanted() (string, error) {
	if c.fresh() {
		return "", nil
	}
	text, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if err != nil {
		return "", fmt.Errorf("%s does not look like PostgreSQL's data, move it away: %w", c.data(), err)
	}
	return strings.TrimSpace(string(text)), nil
}

// choose takes the first programs of the wanted version that run as somebody
// in our directory. Trying is the only sure way to know.
func (c *cluster) choose(ctx context.Context, dirs []string, runners []account, wanted string) error {
	var refused []error
	var others []string
	for _, dir := range dirs {
		for _, a := range runners {
			version, err := c.try(ctx, dir, a)
			if err != nil {
				refused = append(refused, fmt.Errorf("%s as %s: %w", dir, orMe(a.name), err))
				continue
			}
			if wanted != "" && major(version) != wanted {
				others = append(others, version+" in "+dir)
				break
			}
			c.bin, c.version, c.as = dir, version, a
			return nil
		}
	}
	if len(others) > 0 {
		return fmt.Errorf("%s holds data of PostgreSQL %s, but found only %s: install version %s, or move the directory away to begin anew, or set DATABASE_URL",
			c.shown, wanted, strings.Join(others, ", "), wanted)
	}
	return fmt.Errorf("no account may run it in %s; %s: %w", c.shown, wayOutOfRefusal(), errors.Join(refused...))
}

func wayOutOfRefusal() string {
	if os.Geteuid() == 0 {
		return "PostgreSQL refuses to be root, so run as another user, or in a directory that the user postgres can reach, or set DATABASE_URL"
	}
	return "use a directory of your own, or set DATABASE_URL"
}

// try asks the server for its version, as this account and in our directory,
// which it must be able to reach. A new directory is handed over to it.
func (c *cluster) try(ctx context.Context, dir string, a account) (string, error) {
	if c.fresh() {
		if err := os.Chown(c.dir, a.uid, a.gid); err != nil {
			return "", err
		}
	}
	text, err := output(ctx, a.command(syscall.SIGKILL, c.dir, filepath.Join(dir, "postgres"), "--version"))
	if err != nil {
		return "", err
	}
	c.Log.Debug("found", zap.String("version", text), zap.String("in", dir), zap.String("as", orMe(a.name)))
	return versionOf(text)
}

func orMe(name string) string {
	if name == "" {
		return "the present user"
	}
	return name
}

var versionPattern = regexp.MustCompile(`\b\d+(\.\d+|devel|beta\d+|rc\d+)+`)

// versionOf reads "postgres (PostgreSQL) 15.18 (Debian …)" and
// "Redis server v=7.0.15 sha=…".
func versionOf(text string) (string, error) {
	_, rest, _ := strings.Cut(text, " ")
	rest = strings.ReplaceAll(rest, "v=", "")
	if v := versionPattern.FindString(rest); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("it tells no version: %q", text)
}

var leading = regexp.MustCompile(`^\d+`)

// major is 15 of 15.18 and of 15beta1.
func major(version string) string { return leading.FindString(version) }
