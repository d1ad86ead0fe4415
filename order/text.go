package order

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable says whether s can be shown on one line: valid UTF-8 without
// control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// IsName says whether s can be the name of a thing, such as a SKU: what looks
// the same is the same, so no space at its ends and nothing invisible.
func IsName(s string) bool {
	return s != "" && printable(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Cf, r) })
}

// storable says whether PostgreSQL can keep s as text.
func storable(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// plain is what a channel wrote, so that it can be kept: what PostgreSQL cannot
// store shows as "?", and what is very long is cut.
func plain(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
	if len(s) > maxMetadataLen {
		s = strings.ToValidUTF8(s[:maxMetadataLen], "") + "…"
	}
	return s
}
