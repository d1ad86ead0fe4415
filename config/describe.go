package config

import (
	"net/url"
	"strings"
)

// Setting is what an operator may know of a setting. Value holds no secret.
type Setting struct {
	Name   string // relay.horizon
	Env    string // ORDERFLOW_RELAY_HORIZON
	Flag   string // --http, or empty
	Value  string
	Source string // "flag --http", "env DATABASE_URL", "file orderflow.yaml:12" or "default"
	Doc    string // one line
}

// Describe lists every setting as Load would settle it, with passwords and
// secrets hidden. It lists them even when the error, Load's, is not nil.
func Describe(s Sources) ([]Setting, error) {
	_, won, faults := settle(s)
	var list []Setting
	for _, row := range settings() {
		d := Setting{Name: row.name, Env: envOf(row.name), Source: won[row.name].source, Doc: row.doc}
		d.Value = row.conceals.show(won[row.name].text)
		if row.flag {
			d.Flag = "--" + flagOf(row.name)
		}
		list = append(list, d)
	}
	if len(faults) > 0 {
		return list, faults
	}
	return list, nil
}

// conceal is how much of a value is kept from eyes and logs.
type conceal int

const (
	nothing conceal = iota
	passwords
	allButHost
	everything
)

const hidden = "(hidden)"

func (c conceal) show(text string) string {
	switch {
	case text == "" || c == nothing:
		return text
	case c == passwords:
		return RedactURL(text)
	case c == allButHost:
		return HostOf(text)
	}
	return hidden
}

// HostOf is all of a URL that may be shown of one that was made with a key in
// its path or query: its scheme and host.
func HostOf(s string) string {
	u, err := parseURL(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil {
		return hidden
	}
	return u.Scheme + "://" + u.Host + "/" + hidden
}

// RedactURL is a URL without its passwords, for people and logs. What cannot be
// read as a URL is hidden whole.
func RedactURL(s string) string {
	u, err := parseURL(s)
	if err != nil || u.Scheme == "" {
		return hidden
	}
	const mask = "xxxxx"
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), mask)
	} else if u.User != nil && !strings.HasPrefix(u.Scheme, "postgres") {
		u.User = url.User(mask) // a lone user name is most likely a password in the wrong place
	}
	for name := range u.Query() {
		if strings.Contains(strings.ToLower(name), "pass") {
			u.RawQuery = mask // all of it: an & in the password would be read as the next name
			break
		}
	}
	return u.String()
}
