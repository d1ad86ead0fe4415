// Package seal keeps small secrets at rest: it encrypts them with a key of the
// installation's and opens them again.
//
// A sealed secret reads "v1.<key id>.<base64>". The base64 is what AES-256-GCM
// of the standard library makes with a random nonce; the version, the key's id
// and the place that the secret belongs to are authenticated with it. So what
// was altered does not open, nor does what was copied to another place.
//
// Of a Keyring's keys the first seals and all open. A new key is put before the
// others, what there is gets sealed anew, and the old one is removed. With one
// key up to 2^32 secrets may be sealed: the nonce has 96 bits.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const version = "v1"

// Keyring is the keys of an installation. It is safe for concurrent use and
// never shows a key. A nil Keyring has no keys: it refuses to seal, and opens
// nothing.
type Keyring struct{ keys []opener }

type opener struct {
	id   string
	aead cipher.AEAD
}

// New makes a Keyring. Ids must differ, so that each names one key.
func New(keys ...Key) (*Keyring, error) {
	k := &Keyring{}
	for _, key := range keys {
		if !IsKeyID(key.ID) {
			return nil, fmt.Errorf("a key's id has 1 to %d lower-case letters, digits, _ and -", maxKeyID)
		}
		if slices.Contains(k.IDs(), key.ID) {
			return nil, fmt.Errorf("two keys are named %s", key.ID)
		}
		aead, err := newAEAD(key.Secret)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key.ID, err)
		}
		k.keys = append(k.keys, opener{key.ID, aead})
	}
	return k, nil
}

func newAEAD(secret [KeySize]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// IDs are the keys' names, the one that seals first.
func (k *Keyring) IDs() []string {
	if k == nil {
		return nil
	}
	ids := make([]string, len(k.keys))
	for i, key := range k.keys {
		ids[i] = key.id
	}
	return ids
}

// String names the keys, so that a Keyring that is printed shows none.
func (k *Keyring) String() string { return "keys [" + strings.Join(k.IDs(), " ") + "]" }

// GoString is String, for %#v.
func (k *Keyring) GoString() string { return k.String() }

// Sealing is the id of the key that seals; "" when there is none.
func (k *Keyring) Sealing() string {
	if ids := k.IDs(); len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// ErrNoKey is that nothing can be sealed.
var ErrNoKey = errors.New("no key is set that seals secrets: make one with `orderflow secrets generate` and set ORDERFLOW_SECRETS_KEYS")

// ErrAltered is that a sealed secret is not what was sealed for this place.
var ErrAltered = errors.New("it was altered, or sealed for another place: give the endpoint a new secret, without an overlap")

// UnknownKey is that a secret was sealed with a key that is not among ours.
type UnknownKey struct {
	ID   string   // the key that is missing
	Have []string // those that are set
}

func (e *UnknownKey) Error() string {
	have := "none is set"
	if len(e.Have) > 0 {
		have = "there is " + strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("it was sealed with the key %q, which is not among ORDERFLOW_SECRETS_KEYS (%s): "+
		"put that key behind the others, or, when it is lost, give the endpoint a new secret, without an overlap", e.ID, have)
}

// Seal encrypts a secret for a place, such as the row that it is kept in.
func (k *Keyring) Seal(secret, place string) (string, error) {
	if k.Sealing() == "" {
		return "", ErrNoKey
	}
	with := k.keys[0]
	box := with.aead.Seal(nil, nil, []byte(secret), bound(with.id, place)) //nolint:gosec // it makes the nonce itself
	return strings.Join([]string{version, with.id, encoding.EncodeToString(box)}, "."), nil
}

// Open decrypts what Seal made for the same place. Errors: *UnknownKey,
// ErrAltered, ErrForm. None of them shows what was sealed.
func (k *Keyring) Open(sealed, place string) (string, error) {
	id, box, err := parse(sealed)
	if err != nil {
		return "", err
	}
	ids := k.IDs()
	i := slices.Index(ids, id)
	if i < 0 {
		return "", &UnknownKey{ID: id, Have: ids}
	}
	secret, err := k.keys[i].aead.Open(nil, nil, box, bound(id, place))
	if err != nil {
		return "", ErrAltered // the library's word says no more
	}
	return string(secret), nil
}

// KeyOf is the id of the key that a sealed secret was sealed with, or ErrForm.
func KeyOf(sealed string) (string, error) {
	id, _, err := parse(sealed)
	return id, err
}

var encoding = base64.RawURLEncoding.Strict()

// ErrForm is that a text was never made by Seal.
var ErrForm = errors.New(`a sealed secret reads "v1.<key id>.<base64>"`)

// parse reads one spelling only of each sealed secret.
func parse(sealed string) (id string, box []byte, err error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || !IsKeyID(parts[1]) {
		return "", nil, ErrForm
	}
	if parts[0] != version {
		return "", nil, fmt.Errorf("%w, and this one is of another version: was it sealed by a later release?", ErrForm)
	}
	if strings.ContainsAny(parts[2], "\r\n") { // which decoding overlooks
		return "", nil, ErrForm
	}
	box, err = encoding.DecodeString(parts[2])
	if err != nil {
		return "", nil, ErrForm
	}
	return parts[1], box, nil
}

// bound is what is authenticated with a secret. No part but the last can have a
// dot, so no two triples make the same.
func bound(id, place string) []byte { return []byte(version + "." + id + "." + place) }
