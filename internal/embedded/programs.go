package embedded

import (
	"cmp"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// places are where PostgreSQL's packages put their programs, off the PATH.
func places() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"/usr/pgsql-*/bin",                  // Red Hat, Fedora, SUSE by the PostgreSQL project
		"/usr/lib/postgresql*/bin",          // SUSE
		"/usr/libexec/postgresql*",          // Alpine
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
}

// installed lists the files that could be program: on the PATH first, then of
// each package place the newest first.
func installed(program string) (found []string) {
	if path, err := exec.LookPath(program); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			found = append(found, path)
		}
	}
	for _, place := range places() {
		list, _ := filepath.Glob(filepath.Join(place, program))
		slices.SortStableFunc(list, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
		for _, path := range list {
			if _, err := exec.LookPath(path); err == nil {
				found = append(found, path)
			}
		}
	}
	return found
}

// versionIn reads the version that a package's path carries: 15 of
// /usr/lib/postgresql/15/bin, 0 when there is none.
func versionIn(path string) float64 {
	digits := strings.FieldsFunc(path, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	for _, d := range digits {
		if v, err := strconv.ParseFloat(strings.Trim(d, "."), 64); err == nil {
			return v
		}
	}
	return 0
}

// serverDirs are the directories that hold both programs that we need, each
// once. Links are followed, as a package's programs look for their own files
// beside themselves.
func serverDirs(find func(string) []string) (dirs []string) {
	for _, path := range find("initdb") {
		path, err := filepath.EvalSymlinks(path)
		if err != nil || slices.Contains(dirs, filepath.Dir(path)) {
			continue
		}
		if _, err := exec.LookPath(filepath.Join(filepath.Dir(path), "postgres")); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return dirs
}
