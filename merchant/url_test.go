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
