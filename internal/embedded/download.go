package embedded

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// downloaded is the build that is fetched where no PostgreSQL is installed.
const downloaded = embeddedpostgres.V17

// download gives the directory of a build's programs, fetched into the cache
// when it is not there yet.
func download(ctx context.Context, mirror, cache string) (string, error) {
	cache, err := cacheDir(cache)
	if err != nil {
		return "", err
	}
	kept := filepath.Join(cache, "postgresql-"+string(downloaded))
	bin := filepath.Join(kept, "bin")
	if _, err := exec.LookPath(filepath.Join(bin, "postgres")); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil { //nolint:gosec // programs, nothing secret
		return "", err
	}
	work, err := os.MkdirTemp(cache, "incoming-")
	if err != nil {
		return "", err
	}
	fetched := make(chan error, 1)
	go func() {
		defer os.RemoveAll(work)
		fetched <- fetch(mirror, work, kept)
	}()
	select {
	case err := <-fetched:
		return bin, err
	case <-ctx.Done():
		// The library cannot be interrupted; it ends by itself.
		return "", context.Cause(ctx)
	}
}

// fetch lets the library unpack a build and moves it into place. The library
// goes on to try the build, in ways that fail for root and where the system's
// socket directory is closed; we run it otherwise, so that does not matter. It
// makes its run directory when everything is unpacked: that is our sign.
func fetch(mirror, work, kept string) error {
	unpacked, ran := filepath.Join(work, "programs"), filepath.Join(work, "run")
	var said bytes.Buffer
	config := embeddedpostgres.DefaultConfig().Version(downloaded).Logger(&said).
		CachePath(filepath.Join(work, "archive")).BinariesPath(unpacked).
		RuntimePath(ran).DataPath(filepath.Join(work, "data")).Port(freePort())
	if mirror != "" {
		config = config.BinaryRepositoryURL(mirror)
	}
	database := embeddedpostgres.NewDatabase(config)
	err := database.Start()
	if err == nil {
		err = database.Stop()
	}
	if _, absent := os.Stat(ran); absent != nil {
		return errors.Join(cmp.Or(err, absent), firstLine(said.String()))
	}
	if err := os.Chmod(unpacked, 0o755); err != nil { //nolint:gosec // programs
		return err
	}
	if err := os.Rename(unpacked, kept); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// cacheDir is where programs are kept. Root's lie where the account that runs
// them can reach them.
func cacheDir(chosen string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	if os.Geteuid() == 0 {
		return "/var/cache/orderflow", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "orderflow"), nil
}

// freePort is one that nobody listens on at present, 0 when none is to be had.
func freePort() uint32 {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback
	if err != nil {
		return 0
	}
	defer l.Close()
	return uint32(l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // a TCP listener's
}
