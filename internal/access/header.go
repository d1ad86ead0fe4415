package access

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

var (
	// ErrNoKey says that a request shows no key.
	ErrNoKey = errors.New("no key was shown: send Authorization: Bearer <key>")
	// ErrMalformed says that what a request shows cannot be a key.
	ErrMalformed = errors.New("the Authorization header cannot be read: send Bearer <key>, or Basic with the key as the password")
	// ErrDamaged says that a key was not copied whole: its checksum is wrong.
	ErrDamaged = errors.New("the key is damaged: copy it again, whole")
	// ErrUnknownKey says that no live key is this one. A revoked key is unknown.
	ErrUnknownKey = errors.New("the key is unknown or was revoked: ask an operator for a new one")
)

// Longest things that are read from a stranger's header.
const (
	maxKey    = 256
	maxHeader = 1024
)

// keyOf reads the key that a request shows: as a Bearer token, or as the
// password of Basic, which is what browsers send, with any user name.
// Two Authorization headers are refused: proxies disagree on which one counts.
func keyOf(h http.Header) (string, error) {
	values := h.Values("Authorization")
	switch {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", ErrNoKey
	case len(values) > 1 || len(values[0]) > maxHeader:
		return "", ErrMalformed
	}
	scheme, credential, _ := strings.Cut(values[0], " ")
	key := strings.Trim(credential, " ")
	switch strings.ToLower(scheme) {
	case "bearer":
	case "basic":
		key = password(key)
	default:
		return "", ErrMalformed
	}
	switch {
	case !presentable(key):
		return "", ErrMalformed
	case !intact(key):
		return "", ErrDamaged
	}
	return key, nil
}

// password is "" when there is none.
func password(credential string) string {
	plain, err := base64.StdEncoding.DecodeString(credential)
	if err != nil {
		return ""
	}
	_, pass, _ := strings.Cut(string(plain), ":")
	return pass
}

// presentable says whether s is made like a key: visible ASCII.
func presentable(s string) bool {
	if s == "" || len(s) > maxKey {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
