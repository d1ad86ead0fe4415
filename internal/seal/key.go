package seal

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

const maxKeyID = 32

// Key is a key and its name.
type Key struct {
	ID     string
	Secret [KeySize]byte
}

// NewKey makes a key.
func NewKey(id string) Key {
	k := Key{ID: id}
	_, _ = rand.Read(k.Secret[:]) // never fails: it ends the process instead
	return k
}

// Line is the key as the settings take it, "id:base64". It is the only thing
// that shows a key.
func (k Key) Line() string { return k.ID + ":" + base64.StdEncoding.EncodeToString(k.Secret[:]) }

// ParseKey is the inverse of Line.
func ParseKey(line string) (k Key, ok bool) {
	id, encoded, _ := strings.Cut(line, ":")
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(secret) != KeySize || !IsKeyID(id) {
		return Key{}, false
	}
	return Key{id, [KeySize]byte(secret)}, true
}

// String shows the id alone.
func (k Key) String() string { return "key " + k.ID }

// GoString is String, for %#v.
func (k Key) GoString() string { return k.String() }

// IsKeyID says whether s can name a key.
func IsKeyID(s string) bool {
	return s != "" && len(s) <= maxKeyID && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}
