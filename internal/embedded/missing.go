package embedded

import (
	"fmt"
	"os/exec"
	"runtime"
)

// missing says what to do on this system when there is no PostgreSQL at all.
func missing(downloading error) error {
	return fmt.Errorf(`no PostgreSQL on this machine: neither initdb and postgres on PATH or in their usual places, nor a download (%w). One of these helps:
  - install it: %s
  - use a server that you have: DATABASE_URL=postgres://user:password@host:5432/database
  - start one in a container: docker compose up -d postgres, and set DATABASE_URL`, downloading, howToInstall())
}

func howToInstall() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@17, or Postgres.app"
	}
	for _, way := range []struct{ tool, command string }{
		{"apt-get", "apt-get install postgresql"},
		{"dnf", "dnf install postgresql-server"},
		{"apk", "apk add postgresql"},
		{"pacman", "pacman -S postgresql"},
		{"zypper", "zypper install postgresql-server"},
	} {
		if _, err := exec.LookPath(way.tool); err == nil {
			return way.command
		}
	}
	return "the package of your system that holds initdb and postgres"
}
