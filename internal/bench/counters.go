package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// ticksPerSecond is Linux's USER_HZ, which is 100 on every machine that Go
// runs on.
const ticksPerSecond = 100

// cpuOf is the CPU time in seconds that a process has used, with its children,
// those alive and those that have ended. ok is false where the system does not
// tell.
func cpuOf(pid int) (seconds float64, ok bool) {
	if pid == 0 {
		return 0, false
	}
	ticks, err := ticksOf(pid)
	if err != nil {
		return 0, false
	}
	for _, child := range childrenOf(pid) {
		if more, err := ticksOf(child); err == nil { // else it has just ended, and is counted by its parent
			ticks += more
		}
	}
	return float64(ticks) / ticksPerSecond, true
}

// ticksOf reads /proc/PID/stat: utime, stime, and both of the children that
// have ended and were waited for (proc_pid_stat(5), fields 14 to 17).
func ticksOf(pid int) (ticks uint64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // from field 3 on
	if len(f) < 15 {
		return 0, errors.New("a line of /proc that is too short")
	}
	for _, s := range f[11:15] {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks, nil
}

// childrenOf are the children of a process's first thread: PostgreSQL's has no
// other.
func childrenOf(pid int) (pids []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, s := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(s); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// usage is CPU seconds by process; a process that does not tell is not in it.
type usage map[string]float64

func cpuNow(pids map[string]int) usage {
	u := usage{}
	for name, pid := range pids {
		if seconds, ok := cpuOf(pid); ok {
			u[name] = seconds
		}
	}
	return u
}

// since is what was used after before.
func (u usage) since(before usage) usage {
	d := usage{}
	for name, seconds := range u {
		if b, ok := before[name]; ok {
			d[name] = seconds - b
		}
	}
	return d
}

// sums are a server's running totals, by name.
type sums map[string]int64

func (s sums) since(before sums) sums {
	d := sums{}
	for name, n := range s {
		if b, ok := before[name]; ok && n >= b { // less: it was reset, or rewritten
			d[name] = n - b
		}
	}
	return d
}

// postgresSums are commits of one database, and of the whole server the bytes
// and the syncs of its log; what a server does not tell is left out. It is
// exact when those who worked on the database have left: a session tells what
// it did when it ends, and before only now and then.
func postgresSums(ctx context.Context, conn *pgx.Conn, database string, statements bool) (sums, error) {
	s := sums{}
	version, err := one(ctx, conn, "SELECT current_setting('server_version_num')::bigint")
	if err != nil {
		return nil, err
	}
	for _, q := range []struct {
		name, sql string
		there     bool
	}{
		{"commits", "SELECT xact_commit FROM pg_stat_database WHERE datname = '" + database + "'", true},
		{"wal_bytes", "SELECT wal_bytes::bigint FROM pg_stat_wal", version >= 140_000},
		{"fsyncs", "SELECT wal_sync FROM pg_stat_wal", version >= 140_000 && version < 180_000},
		{"fsyncs", "SELECT coalesce(sum(fsyncs), 0)::bigint FROM pg_stat_io WHERE object = 'wal'", version >= 180_000},
		{"statements", "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = '" + database + "'", statements},
	} {
		if !q.there {
			continue
		}
		if s[q.name], err = one(ctx, conn, q.sql); err != nil {
			return nil, fmt.Errorf("read PostgreSQL's %s: %w", q.name, err)
		}
	}
	return s, nil
}

func one(ctx context.Context, conn *pgx.Conn, sql string) (n int64, err error) {
	err = conn.QueryRow(ctx, sql).Scan(&n)
	return n, err
}

// redisSums are commands, with those inside scripts, round trips, and the bytes
// of the append-only file.
func redisSums(ctx context.Context, c *redis.Client) (sums, error) {
	s := sums{}
	text, err := c.InfoMap(ctx, "stats", "persistence").Result()
	if err != nil {
		return nil, fmt.Errorf("read Redis's INFO: %w", err)
	}
	for _, section := range text {
		for name, ours := range map[string]string{
			"total_commands_processed": "redis_commands", "total_reads_processed": "redis_round_trips", "aof_current_size": "aof_bytes",
		} {
			if n, err := strconv.ParseInt(section[name], 10, 64); err == nil {
				s[ours] = n
			}
		}
	}
	return s, nil
}

// processor is the machine's, in its own words.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
