package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// RedisServers is what a Redis URL says.
//
//	redis://user:password@host:6379/0                      one server
//	rediss://…                                             the same, over TLS
//	redis-sentinel://user:password@h1:26379,h2:26379/0?master=name
//	redis-cluster://user:password@h1:6379,h2:6379
//
// Sentinel and Cluster take ?tls=true, and Sentinel ?sentinel_password=…, which
// is of the sentinels; the one before the @ is of the data.
type RedisServers struct {
	Addrs            []string // host:port, at least one
	Cluster          bool
	Master           string // not empty: Addrs are sentinels
	Username         string
	Password         string
	SentinelPassword string
	DB               int
	TLS              bool
}

// Servers takes the URL apart.
func (r Redis) Servers() (RedisServers, error) {
	u, err := parseURL(r.URL)
	if err != nil {
		return RedisServers{}, err
	}
	s := RedisServers{Username: u.User.Username()}
	var known bool
	if s.Password, known = u.User.Password(); !known && s.Username != "" {
		return RedisServers{}, errors.New("has a user without a password: want redis://:password@host:6379")
	}
	port, params := "6379", []string(nil)
	switch u.Scheme {
	case "redis", "rediss":
		s.TLS = u.Scheme == "rediss"
	case "redis-sentinel":
		port, params = "26379", []string{"master", "tls", "sentinel_password"}
	case "redis-cluster":
		s.Cluster, params = true, []string{"tls"}
	default:
		return RedisServers{}, errors.New("want redis://, rediss://, redis-sentinel:// or redis-cluster://")
	}
	if s.Addrs, err = addrs(u.Host, port); err != nil {
		return RedisServers{}, err
	}
	if params == nil && len(s.Addrs) > 1 {
		return RedisServers{}, errors.New("names several servers: want redis-sentinel:// or redis-cluster://")
	}
	if s.DB, err = redisDB(u.Path, s.Cluster); err != nil {
		return RedisServers{}, err
	}
	return s, s.take(u, params)
}

// take reads what follows the question mark.
func (s *RedisServers) take(u *url.URL, params []string) error {
	q := u.Query()
	for name := range q {
		if !slices.Contains(params, name) {
			return fmt.Errorf("has a parameter that %s:// does not take: it takes [%s]", u.Scheme, strings.Join(params, " "))
		}
	}
	if q.Has("tls") {
		on, err := yesNo(q.Get("tls"))
		if err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		s.TLS = on
	}
	s.Master, s.SentinelPassword = q.Get("master"), q.Get("sentinel_password")
	if slices.Contains(params, "master") && s.Master == "" {
		return errors.New("does not name the master: want redis-sentinel://host:26379?master=name")
	}
	return nil
}

func addrs(hosts, port string) (list []string, err error) {
	for h := range strings.SplitSeq(hosts, ",") {
		u, err := url.Parse("redis://" + h)
		if err != nil || u.Hostname() == "" {
			return nil, errors.New("names no host, or one that cannot be read: want host:port, several with commas between")
		}
		p := port
		if u.Port() != "" {
			p = u.Port()
		}
		list = append(list, net.JoinHostPort(u.Hostname(), p))
	}
	return list, nil
}

func redisDB(path string, cluster bool) (int, error) {
	path = strings.Trim(path, "/")
	if path == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(path, 10, 16)
	if err != nil {
		return 0, errors.New("the path is not a database number: want redis://host:6379/0")
	}
	if cluster && n != 0 {
		return 0, errors.New("a cluster has only database 0: leave the path away")
	}
	return int(n), nil
}

func redisURL(s string) (string, error) {
	_, err := Redis{URL: s}.Servers()
	return s, err
}
