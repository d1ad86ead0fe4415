package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/bench"
)

// The whole of it, small: processes, servers, load, profiles and the look
// afterwards.
func TestBench(t *testing.T) {
	t.Parallel()
	p := ourselves(t)
	profiles := filepath.Join(p.dir, "profiles")
	cmd := p.command(t.Context(), "bench", "--clients", "4", "--warm", "200ms", "--window", "2s",
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
	cmd := p.command(t.Context(), "bench", "overload", "--clients", "2", "--warm", "200ms", "--window", "2s", "--json")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	require.NoError(t, cmd.Run(), "%s%s", out.String(), complaint.String())
	var v bench.Overloaded
	require.NoError(t, json.Unmarshal(out.Bytes(), &v))
	require.True(t, v.Verified)
	require.Empty(t, v.Errors)
	require.Positive(t, v.Peak)
	var names []string
	for _, s := range v.Steps {
		names = append(names, s.Name)
		require.Positive(t, s.Accepted, s.Name)
	}
	require.Equal(t, []string{"peak", "1x", "peak", "2x", "peak", "3x", "0.5x", "peak"}, names)
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

// The other measurements, small.
func TestTheOtherBenches(t *testing.T) {
	t.Parallel()
	if !found("redis-server", "valkey-server") {
		t.Log("there is no Redis on this machine: TestBench says so")
		return
	}
	run := func(t *testing.T, into any, args ...string) {
		p := ourselves(t)
		cmd := p.command(t.Context(), append([]string{"bench"}, args...)...)
		var out, complaint bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaint
		require.NoError(t, cmd.Run(), "%s%s", out.String(), complaint.String())
		require.NoError(t, json.Unmarshal(out.Bytes(), into))
		require.Empty(t, left(nil, p.dir), "nothing goes on")
	}
	t.Run("growth", func(t *testing.T) {
		t.Parallel()
		var v bench.Growth
		run(t, &v, "growth", "--sizes", "300", "--closes", "0,50", "--days", "30", "--rounds", "1", "--clients", "4", "--warm", "200ms", "--window", "2s", "--json")
		require.True(t, v.Audited)
		require.Empty(t, v.Findings)
		require.Len(t, v.Steps, 2)
		for i, want := range [][2]int64{{300, 0}, {300, 50}} {
			s := v.Steps[i]
			require.Equal(t, want, [2]int64{s.Orders, s.Closes})
			require.Positive(t, s.Bytes)
			require.Len(t, s.Grown, 1)
			require.Len(t, s.Empty, 1)
			require.Positive(t, s.Ratio().Min)
			for _, r := range append(s.Grown, s.Empty...) {
				require.True(t, r.Verified)
			}
		}
	})
	t.Run("isolation", func(t *testing.T) {
		t.Parallel()
		var v bench.Isolation
		run(t, &v, "isolation", "--endpoints", "4", "--hanging", "0.5", "--hang", "1s", "--rate", "20", "--warm", "200ms", "--window", "2s", "--json")
		require.Len(t, v.Steps, 1)
		for _, r := range append(v.Steps[0].Isolated, v.Steps[0].Plain...) {
			require.True(t, r.Verified)
			require.Positive(t, r.Well)
			require.Positive(t, r.Started)
			require.Empty(t, r.Errors)
			require.Contains(t, r.Processors, "worker 2")
		}
	})
	t.Run("notify", func(t *testing.T) {
		t.Parallel()
		var v bench.Notified
		run(t, &v, "notify", "--notices", "400", "--json")
		require.Len(t, v.Crews, 3)
		for _, by := range v.Crews {
			require.Len(t, by.Runs, 1)
			require.True(t, by.Runs[0].Verified)
			require.Positive(t, by.Runs[0].PerSecond)
		}
		require.Contains(t, v.Crews[2].Runs[0].CPU, "relay")
	})
	t.Run("close", func(t *testing.T) {
		t.Parallel()
		var v bench.Closed
		run(t, &v, "close", "--orders", "300", "--rate", "20", "--lead", "25s", "--json")
		require.True(t, v.Verified)
		require.EqualValues(t, 300, v.Closed.N)
		require.EqualValues(t, 300, v.Begun.N)
		require.GreaterOrEqual(t, v.Closed.Max, v.Begun.Max, "the channel comes last")
		require.Positive(t, v.AllClosed)
		require.Positive(t, v.Before.Intake.N)
	})
}

// What is seeded at the command line, and what is said of it.
func TestBenchSeed(t *testing.T) {
	t.Parallel()
	p := ourselves(t)
	seed := []string{"bench", "seed", "--database-url", dbtest.URL(t), "--orders", "200", "--closes", "20", "--days", "30"}
	code, said := p.run(t, seed...)
	require.Zero(t, code, said)
	require.Contains(t, said, "200 old orders\n", "what it will do")
	require.Contains(t, said, "ledger_postings ", "what it did")
	code, said = p.run(t, append(seed, "--json")...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "or add to it with --add")
	code, said = p.run(t, append(seed, "--add")...)
	require.Zero(t, code, said)
	code, said = p.run(t, "ledger", "check", "--database-url", seed[3])
	require.Zero(t, code, said)
	require.Contains(t, said, "All adds up.")
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
		{2, "days: want 1 to 3650", []string{"seed", "--days", "0"}},
		{2, "orders, closes: want some", []string{"seed", "--orders", "0"}},
		{1, "database.url", []string{"seed"}},
		{2, "sizes: want numbers of orders", []string{"growth", "--sizes", "5,1"}},
		{2, "invalid argument", []string{"growth", "--sizes", "many"}},
		{2, "hanging: want shares", []string{"isolation", "--hanging", "2"}},
		{2, "notices: want 100 to", []string{"notify", "--notices", "1"}},
		{2, "lead: want 1s to 10m", []string{"close", "--lead", "0s"}},
	} {
		code, said := p.run(t, append([]string{"bench"}, c.args...)...)
		require.Equal(t, c.code, code, said)
		require.Contains(t, said, c.says)
	}
	code, said := p.run(t, "serve", "--database-url", "postgres://h/d", "--redis-url", "redis://h", "--pprof", "0.0.0.0:6060")
	require.Equal(t, exitUsage, code, said)
	require.Contains(t, said, "an address of loopback")
}
