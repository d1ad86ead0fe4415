package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
)

// A key reads ofk_<role>_<secret><checksum>: the prefix lets secret scanners
// and people recognise it, the secret is 32 random bytes, and the checksum, a
// CRC-32 over all before it, tells a damaged copy from a revoked key. Lower
// case and digits only, so that a double click selects the whole of it.
const (
	keyPrefix   = "ofk_"
	secretBytes = 32
	secretChars = 52 // of 32 bytes in base 32
	sumChars    = 7  // of 4 bytes in base 32
)

// NewKey makes a key for a role, and the hash to keep in its stead. The key
// must be shown to its owner now: it cannot be had again.
func NewKey(role Role) (key string, hash [32]byte) {
	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:]) // never fails: it would end the program first
	key = keyPrefix + string(role) + "_" + base32Lower(secret[:])
	key += checksum(key)
	return key, Hash(key)
}

// Hash is the form in which a key is stored and looked up. A plain SHA-256 is
// enough because a key is 256 random bits: there is no dictionary to try, so
// a slow password hash would only slow every request down.
func Hash(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// intact says whether key can be one of ours at all. A key without our prefix
// (a fixed development key) has no checksum to be wrong.
func intact(key string) bool {
	rest, ours := strings.CutPrefix(key, keyPrefix)
	if !ours {
		return true
	}
	role, secret, _ := strings.Cut(rest, "_")
	if !slices.Contains(Roles(), Role(role)) || len(secret) != secretChars+sumChars {
		return false
	}
	end := len(key) - sumChars
	return checksum(key[:end]) == key[end:]
}

func checksum(s string) string {
	return base32Lower(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s))))
}

func base32Lower(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}
