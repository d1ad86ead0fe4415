package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// tie makes the child lead its own group and get the signal when we die.
func tie(attr *syscall.SysProcAttr, death syscall.Signal) {
	attr.Setpgid = true
	attr.Pdeathsig = death
}

// strays lists the server processes that work in dir or below.
func strays(dir string) (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil || cwd != dir && !strings.HasPrefix(cwd, dir+"/") {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "comm"))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil && isServer(strings.TrimSpace(string(name))) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func isServer(name string) bool {
	switch name {
	case "postgres", "redis-server", "valkey-server":
		return true
	}
	return false
}

// overflowID is the id of a user namespace's only account, "nobody".
const overflowID = 65534

// namespaced is ourselves, called 65534 in a user namespace that has no other
// account and no rights: PostgreSQL does not see that we are root, and what
// belongs to us stays ours, closed directories above it included. It also
// gives a name to an id that no passwd file knows.
func namespaced() []account {
	uid, gid := os.Geteuid(), os.Getegid()
	return []account{{
		name: fmt.Sprintf("user %d of a namespace", overflowID), uid: uid, gid: gid,
		attr: syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: overflowID, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: overflowID, HostID: gid, Size: 1}},
		},
	}}
}

// capDacOverride is CAP_DAC_OVERRIDE of linux/capability.h.
const capDacOverride = 1

// passing is a with the one right to pass directories that are closed to it:
// for root in a container that allows no namespaces, with its data under /root.
// The right comes with the program, so that it cannot begin in such a directory.
func passing(a account) []account {
	a.name += " with CAP_DAC_OVERRIDE"
	a.begin = "/"
	a.attr.AmbientCaps = []uintptr{capDacOverride}
	return []account{a}
}
