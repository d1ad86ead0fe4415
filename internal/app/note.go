package app

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/orderflow/orderflow/config"
)

// noteName is the file in .orderflow/ in which a running `dev` says where its
// servers are.
const noteName = "dev.json"

type note struct {
	PID      int    `json:"pid"`
	Database string `json:"database_url"`
	Redis    string `json:"redis_url"`
	Public   string `json:"public_url"`
}

func writeNote(path string, n note) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// DevServers are the servers of an `orderflow dev` that is running in this
// directory, as defaults of settings; none when none is running.
func DevServers() map[string]string {
	b, err := os.ReadFile(filepath.Join(".orderflow", noteName))
	var n note
	if err != nil || json.Unmarshal(b, &n) != nil || !alive(n.PID) {
		return nil
	}
	return map[string]string{"database.url": n.Database, "redis.url": n.Redis, "public_url": n.Public, "secrets_keys": config.DevSecretsKey}
}

// OfDev says whether settings are about the `orderflow dev` that is running in this
// directory.
func OfDev(c config.Config) bool { return c.Database.URL == DevServers()["database.url"] }

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
