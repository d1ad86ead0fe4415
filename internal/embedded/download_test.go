package embedded

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A mirror that offers this machine's own PostgreSQL stands for the world's.
func TestPostgreSQLIsDownloadedOnce(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("without xz no archive can be made")
	}
	dirs := serverDirs(installed)
	if len(dirs) == 0 {
		t.Skip("nothing here that a mirror could offer")
	}
	build := jar(t, dirs[0])
	var fetched atomic.Int32
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r)
			return
		}
		fetched.Add(1)
		_, _ = w.Write(build)
	}))
	defer mirror.Close()
	o := Options{find: nothing, mirror: mirror.URL, cache: filepath.Join(t.TempDir(), "cache")}
	for range 2 {
		s := startPostgres(t, o)
		require.Contains(t, s.What, "of "+o.cache)
		require.Equal(t, "1", ask(t, s.URL, "SELECT '1'"))
		s.Stop()
	}
	require.EqualValues(t, 1, fetched.Load())
	kept, err := os.ReadDir(o.cache)
	require.NoError(t, err)
	require.Len(t, kept, 1, "the download's own files are gone")
}

// jar packs links to the programs in dir as the mirror packs programs.
func jar(t *testing.T, dir string) []byte {
	t.Helper()
	var tarred, jarred bytes.Buffer
	tw := tar.NewWriter(&tarred)
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		require.NoError(t, tw.WriteHeader(&tar.Header{
			Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: filepath.Join(dir, name), Mode: 0o755,
		}))
	}
	require.NoError(t, tw.Close())
	compress := exec.CommandContext(t.Context(), "xz", "--check=crc32", "-c")
	compress.Stdin = &tarred
	packed, err := compress.Output()
	require.NoError(t, err)

	zw := zip.NewWriter(&jarred)
	w, err := zw.Create("postgres.txz")
	require.NoError(t, err)
	_, err = io.Copy(w, bytes.NewReader(packed))
	require.NoError(t, err)
	require.NoError(t, zw.Close())
	return jarred.Bytes()
}
