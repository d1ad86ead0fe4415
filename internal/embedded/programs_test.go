package embedded

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionInPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]float64{
		"/usr/lib/postgresql/15/bin/initdb":                   15,
		"/usr/lib/postgresql/9.6/bin/initdb":                  9.6,
		"/usr/pgsql-16/bin/initdb":                            16,
		"/opt/homebrew/opt/postgresql@17/bin/initdb":          17,
		"/usr/libexec/postgresql16/initdb":                    16,
		"/opt/homebrew/opt/postgresql/bin/initdb":             0,
		"/Applications/Postgres.app/Contents/Versions/latest": 0,
	} {
		require.InDelta(t, want, versionIn(path), 0.001, path)
	}
}

func TestVersionOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)": "15.18",
		"postgres (PostgreSQL) 18beta1":                        "18beta1",
		"postgres (PostgreSQL) 19devel":                        "19devel",
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc": "7.0.15",
		"Valkey server v=8.1.1 sha=00000000:0 malloc=libc":     "8.1.1",
	} {
		got, err := versionOf(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := versionOf("sh: usage")
	require.Error(t, err)
	require.Equal(t, "15", major("15.18"))
	require.Equal(t, "18", major("18beta1"))
}

func TestServerDirsNeedBothPrograms(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	put := func(path ...string) string {
		file := filepath.Join(append([]string{root}, path...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, nil, 0o700))
		return file
	}
	whole, clientOnly := put("16", "initdb"), put("client", "initdb")
	put("16", "postgres")
	link := filepath.Join(root, "initdb")
	require.NoError(t, os.Symlink(whole, link))

	find := func(string) []string { return []string{clientOnly, link, whole} }
	want, err := filepath.EvalSymlinks(filepath.Dir(whole))
	require.NoError(t, err)
	require.Equal(t, []string{want}, serverDirs(find))
	require.Empty(t, serverDirs(nothing))
}
