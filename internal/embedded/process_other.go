//go:build unix && !linux

package embedded

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tie makes the child lead its own group. No death signal exists here: the
// next start in the same directory ends what a kill left running.
func tie(attr *syscall.SysProcAttr, _ syscall.Signal) { attr.Setpgid = true }

// strays is the server whose number lies in dir, if it still runs.
func strays(dir string) []int {
	text, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	command, err := exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	if err != nil || !strings.Contains(string(command), "postgres") && !strings.Contains(string(command), "-server") {
		return nil
	}
	return []int{pid}
}

func namespaced() []account { return nil }

func passing(account) []account { return nil }
