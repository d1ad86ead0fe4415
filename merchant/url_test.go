package merchant

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, production, development string // a part of the refusal; "" means it is taken
	}{
		{"https://shop.example/notices", "", ""},
		{"https://shop.example:443/notices?a=b", "", ""},
		{"HTTPS://shop.example", "", ""},
		{"https://8.8.8.8/", "", ""},
		{"https://[2606:4700::1111]/", "", ""},
		{"http://shop.example/", "https only", ""},
		{"https://shop.example:8443/", "port 443", ""},
		{"https://127.0.0.1/", "private or reserved", ""},
		{"https://[::1]/", "private or reserved", ""},
		{"https://[::ffff:10.0.0.1]/", "private or reserved", ""},
		{"https://[fe80::1%25eth0]/", "private or reserved", ""},
		{"https://169.254.169.254/latest/meta-data", "private or reserved", ""},
		{"https://168.63.129.16/", "private or reserved", ""},
		{"http://localhost:9000/notices", "https only", ""},
		{"https://user:pass@shop.example/", "user name", "user name"},
		{"https://shop.example/#top", "#fragment", "#fragment"},
		{"ftp://shop.example/", "https only", "https only"},
		{"file:///etc/passwd", "not a URL", "not a URL"},
		{"https://", "not a URL", "not a URL"},
		{"https://:443/", "not a URL", "not a URL"},
		{"https:shop.example", "not a URL", "not a URL"},
		{"//shop.example/", "https only", "https only"},
		{"shop.example", "not a URL", "not a URL"},
		{"", "not a URL", "not a URL"},
		{"https://shop.example/\n", "not a URL", "not a URL"},
		{"https://shop.example/" + strings.Repeat("a", maxURL), "longer than", "longer than"},
	} {
		name := c.url[:min(len(c.url), 50)]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, CheckURL(c.url, false), c.production)
			expect(t, CheckURL(c.url, true), c.development)
		})
	}
}

func expect(t *testing.T, err error, part string) {
	t.Helper()
	if part == "" {
		require.NoError(t, err)
		return
	}
	require.ErrorContains(t, err, part)
}

func TestGuardJudgesAddresses(t *testing.T) {
	t.Parallel()
	for address, allowed := range map[string]bool{
		"8.8.8.8:443":                  true,
		"[2606:4700::1111]:443":        true,
		"8.8.8.8:80":                   false,
		"8.8.8.8:22":                   false,
		"0.0.0.0:443":                  false,
		"127.0.0.1:443":                false,
		"127.255.255.254:443":          false,
		"10.1.2.3:443":                 false,
		"172.16.0.1:443":               false,
		"172.31.255.255:443":           false,
		"192.168.1.1:443":              false,
		"100.64.0.1:443":               false, // carrier-grade NAT
		"100.100.100.200:443":          false, // metadata
		"169.254.169.254:443":          false, // metadata
		"192.0.0.192:443":              false, // metadata
		"168.63.129.16:443":            false, // Azure's host agent
		"198.18.0.1:443":               false,
		"224.0.0.1:443":                false,
		"255.255.255.255:443":          false,
		"[::]:443":                     false,
		"[::1]:443":                    false,
		"[::ffff:127.0.0.1]:443":       false, // IPv4-mapped
		"[::ffff:169.254.169.254]:443": false,
		"[64:ff9b::7f00:1]:443":        false, // NAT64
		"[2002:7f00:1::]:443":          false, // 6to4
		"[2001::1]:443":                false, // Teredo
		"[fc00::1]:443":                false,
		"[fd00:ec2::254]:443":          false, // metadata
		"[fe80::1%eth0]:443":           false,
		"[ff02::1]:443":                false,
		"localhost:443":                false, // not an address
	} {
		network := "tcp4"
		if address[0] == '[' {
			network = "tcp6"
		}
		err := newGuard(noticePort).Safe(network, address, nil)
		require.Equal(t, allowed, err == nil, "%s: %v", address, err)
		require.Equal(t, !allowed, guarded(err), "%s: %v", address, err)
	}
	require.Error(t, newGuard(noticePort).Safe("udp4", "8.8.8.8:443", nil))
}
