package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderflow/orderflow/internal/seal"
)

// The parsers below turn a setting's text into its value. Their errors say what
// is wanted and never repeat the text, which may be a secret.

func text(s string) (string, error) { return s, nil }

// optional lets the empty string pass.
func optional(parse func(string) (string, error)) func(string) (string, error) {
	return func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		return parse(s)
	}
}

func yesNo(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("want true or false")
}

func between(least, most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("want a whole number from %d to %d", least, most)
		}
		return n, nil
	}
}

func lasting(least, most time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < least || d > most {
			return 0, fmt.Errorf("want a time from %s to %s, such as 500ms, 20s or 2m", least, most)
		}
		return d, nil
	}
}

func oneOf(words ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("want one of %s", strings.Join(words, ", "))
		}
		return s, nil
	}
}

func address(s string) (string, error) {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", errors.New("want host:port or :port, such as 127.0.0.1:8080")
	}
	return s, nil
}

func roles(s string) (Roles, error) {
	var asked Roles
	for word := range strings.SplitSeq(s, ",") {
		r := Role(strings.TrimSpace(word))
		if !AllRoles().Has(r) {
			return nil, fmt.Errorf("want one or more of %s", strings.Join(roleNames(), ","))
		}
		asked = append(asked, r)
	}
	return slices.DeleteFunc(AllRoles(), func(r Role) bool { return !asked.Has(r) }), nil
}

func roleNames() (names []string) {
	for _, r := range AllRoles() {
		names = append(names, string(r))
	}
	return names
}

// secretsKeys reads a list of keys. Which of them is wrong is told by its place
// in the list: a name may be half of a key that was pasted wrongly.
func secretsKeys(s string) (keys []seal.Key, err error) {
	if s == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		k, ok := seal.ParseKey(strings.TrimSpace(part))
		if !ok {
			return nil, fmt.Errorf("number %d is not a key: want id:base64, with commas between several, as `orderflow secrets generate` prints it", len(keys)+1)
		}
		if slices.ContainsFunc(keys, func(other seal.Key) bool { return other.ID == k.ID }) {
			return nil, fmt.Errorf("number %d has the name of one before: want names that differ", len(keys)+1)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func webURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("want http:// or https:// with a host and no user, query or fragment, such as https://pay.example.com")
	}
	return strings.TrimRight(s, "/"), nil
}

// gatewayURL is a URL that somebody else has made, and with it perhaps a key in
// its path or query.
func gatewayURL(s string) (string, error) {
	u, err := parseURL(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return "", errors.New("want http:// or https:// with a host and no user, such as https://sms.example.com/send?from=shop")
	}
	return s, nil
}

func databaseURL(s string) (string, error) {
	u, err := parseURL(s)
	switch {
	case err != nil:
		return "", err
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return "", errors.New("want postgres://user:password@host:5432/name")
	case u.Host == "" && u.Query().Get("host") == "":
		return "", errors.New("names no host: want postgres://user:password@host:5432/name, or ?host=/directory/of/a/socket")
	}
	return s, nil
}

// parseURL reads a URL that may hold a password. Where the password's own
// characters have cut the URL in the wrong place, an @ is left over behind the
// host: such a URL is refused, and never shown.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || strings.ContainsRune(u.EscapedPath()+u.RawQuery+u.EscapedFragment(), '@') || u.Opaque != "" {
		return nil, errors.New("is not a URL: in a password, write / ? # % and @ as %2F %3F %23 %25 and %40")
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil || u.Fragment != "" {
		return nil, errors.New("is not a URL: the part behind the ? or # cannot be read")
	}
	return u, nil
}
