package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/bench"
)

// The whole of it, small: processes, servers, load, profiles and the look
// afterwards.
func TestBench(t *testing.T) {
	t.Parallel()
	p := ourselves(t)
	profiles := filepath.Join(p.dir, "profiles")
	cmd := p.command(t.Context(), "bench", "--clients", "4", "--warm", "200ms", "--window", "1s",
		"--unpaid", "0.25", "--pay-within", "1s", "--profile", profiles, "--json")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if !found("redis-server", "valkey-server") {
		require.Error(t, err)
		require.Contains(t, complaint.String(), "name one with REDIS_URL")
		return
	}
	require.NoError(t, err, "%s%s", out.String(), complaint.String())
	require.Empty(t, complaint.String(), "no progress but on a terminal")
	var v bench.Result
	require.NoError(t, json.Unmarshal(out.Bytes(), &v))
	require.True(t, v.Verified)
	require.Empty(t, v.Errors)
	require.Positive(t, v.Completed)
	require.Less(t, v.Paid, v.Orders)
	require.Positive(t, v.Close.N)
	require.Positive(t, v.PerOrder["commits"])
	require.Positive(t, v.PerOrder["redis_round_trips"])
	cpu, err := os.Stat(filepath.Join(profiles, "cpu.pprof"))
	require.NoError(t, err)
	require.Positive(t, cpu.Size())
	require.Empty(t, left(nil, p.dir), "nothing goes on")
}

func TestBenchOverload(t *testing.T) {
	t.Parallel()
	if !found("redis-server", "valkey-server") {
		t.Skip("needs a Redis that is a program of its own")
	}
	p := ourselves(t)
	cmd := p.command(t.Context(), "bench", "overload", "--clients", "2", "--warm", "100ms", "--window", "500ms", "--json")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	require.NoError(t, cmd.Run(), "%s%s", out.String(), complaint.String())
	var v bench.Overloaded
	require.NoError(t, json.Unmarshal(out.Bytes(), &v))
	require.True(t, v.Verified)
	require.Empty(t, v.Errors)
	require.Positive(t, v.Peak)
	require.Len(t, v.Steps, 6)
	for _, s := range v.Steps {
		require.Positive(t, s.Accepted, s.Name)
	}
	require.Empty(t, left(nil, p.dir), "nothing goes on")
}

func found(programs ...string) bool {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			return true
		}
	}
	return false
}

func TestBenchThatCannotBegin(t *testing.T) {
	t.Parallel()
	p := ourselves(t)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{1, "clients: want 1 to 10000", []string{"--clients", "0"}},
		{1, "unpaid: want a share", []string{"--unpaid", "1"}},
		{1, "the database of that Orderflow must be named", []string{"--url", "http://127.0.0.1:1"}},
		{2, "make bench-compare", []string{"compare"}},
	} {
		code, said := p.run(t, append([]string{"bench"}, c.args...)...)
		require.Equal(t, c.code, code, said)
		require.Contains(t, said, c.says)
	}
	code, said := p.run(t, "serve", "--database-url", "postgres://h/d", "--redis-url", "redis://h", "--pprof", "0.0.0.0:6060")
	require.Equal(t, exitUsage, code, said)
	require.Contains(t, said, "an address of loopback")
}
