package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is who runs PostgreSQL and owns its files: it refuses to be root.
type account struct {
	name  string // empty: the account that runs us
	uid   int
	gid   int
	begin string // where its programs begin; empty: where they are told to
	attr  syscall.SysProcAttr
}

func self() []account { return []account{{uid: os.Geteuid(), gid: os.Getegid()}} }

// other is another account of this machine, for root.
func other(name string, uid, gid int) account {
	return account{name: name, uid: uid, gid: gid, attr: syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}}
}

// accounts lists who may run a new server, the best first. Whoever cannot
// reach its directory or its programs is passed over.
func accounts() []account {
	if os.Geteuid() != 0 {
		if _, err := user.LookupId(strconv.Itoa(os.Geteuid())); err != nil {
			return append(namespaced(), self()...)
		}
		return append(self(), namespaced()...)
	}
	named := append(lookup("postgres"), lookup("nobody")...)
	list := append(named, namespaced()...)
	for _, a := range named {
		list = append(list, passing(a)...)
	}
	return list
}

func lookup(name string) []account {
	u, err := user.Lookup(name)
	if err != nil {
		return nil
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil || uid == 0 {
		return nil
	}
	return []account{other(name, uid, gid)}
}

// owners lists who may run a server whose data exist: only their owner, since
// PostgreSQL trusts nobody else's and files never change hands here.
func owners(data string) ([]account, error) {
	info, err := os.Stat(data)
	if err != nil {
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, errors.New("this system does not tell who owns a file")
	}
	uid, gid := int(stat.Uid), int(stat.Gid)
	switch {
	case uid == os.Geteuid() && uid == 0:
		return namespaced(), nil
	case uid == os.Geteuid():
		return accounts(), nil
	case os.Geteuid() == 0:
		a := other(nameOf(uid), uid, gid)
		return append([]account{a}, passing(a)...), nil
	}
	return nil, fmt.Errorf("%s belongs to user %d: run as that user, or use another directory", data, uid)
}

func nameOf(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", uid)
}

// command is program as this account, in dir, tied to our life: death is the
// signal it gets when we are killed.
func (a account) command(death syscall.Signal, dir, program string, args ...string) *exec.Cmd {
	attr := a.attr
	tie(&attr, death)
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // a server outlives the context of its start
	cmd.Dir, cmd.Env, cmd.SysProcAttr = cmp.Or(a.begin, dir), environment(), &attr
	return cmd
}
