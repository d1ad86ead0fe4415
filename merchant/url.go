package merchant

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"code.dny.dev/ssrf"
)

const (
	maxURL     = 2048
	noticePort = 443
)

// CheckURL says why notices may not be sent to a URL; nil: they may. It looks
// at the text alone. Where a host name leads is checked at each connection,
// since it may lead elsewhere tomorrow. allowLoopback is for development: it
// admits http, any port and any address.
func CheckURL(raw string, allowLoopback bool) error {
	if len(raw) > maxURL {
		return fmt.Errorf("the URL is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "":
		return errors.New("this is not a URL: want https://host/path")
	case u.User != nil:
		return errors.New("the URL carries a user name; leave it out: the signature proves who is calling")
	case u.Fragment != "":
		return errors.New("the URL has a #fragment, which is never sent; leave it out")
	case allowLoopback && (u.Scheme == "http" || u.Scheme == "https"):
		return nil
	case u.Scheme != "https":
		return fmt.Errorf("the URL begins with %q; notices go by https only", clip(u.Scheme, 16))
	case u.Port() != "" && u.Port() != "443":
		return fmt.Errorf("the URL names port %s; notices go to port 443 only", clip(u.Port(), 16))
	}
	return checkHost(u.Hostname())
}

func checkHost(host string) error {
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && newGuard(noticePort).SafeAddr(ip) != nil:
		return fmt.Errorf("%s is a private or reserved address; notices go to public ones only", ip)
	case err != nil && endsInNumber(host):
		return fmt.Errorf("the host %q ends in a number and is not an IPv4 address such as 8.8.8.8", clip(host, 100))
	}
	return nil
}

// endsInNumber says whether a host would be read as an IPv4 address by browsers
// and C libraries, https://url.spec.whatwg.org/#ends-in-a-number-checker:
// 2130706433, 0x7f.1 and 127.1 are all 127.0.0.1 there. No top-level domain is a
// number.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// newGuard judges the address of every connection before it is made: public
// addresses at one port only. 168.63.129.16 is Azure's host agent: a public
// number that each virtual machine there reaches inside.
func newGuard(port uint16) *ssrf.Guardian {
	return ssrf.New(
		ssrf.WithPorts(port),
		ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")),
	)
}

// guarded says whether err is the guard's refusal.
func guarded(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedPort) ||
		errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort)
}
