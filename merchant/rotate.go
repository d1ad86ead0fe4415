package merchant

import (
	"fmt"
	"strings"
	"time"
)

// Scheme is how a notice is signed, by the names of Standard Webhooks.
type Scheme string

// The schemes.
const (
	V1  Scheme = "v1"  // HMAC-SHA256 with a secret that both sides know
	V1A Scheme = "v1a" // ed25519: the merchant verifies with a public key
)

// SchemeOf is how a valid secret signs.
func SchemeOf(secret string) Scheme {
	if strings.HasPrefix(secret, privatePrefix) {
		return V1A
	}
	return V1
}

// NewSecretFor makes a signing secret of a scheme.
func NewSecretFor(s Scheme) string {
	if s == V1A {
		return NewKeyPair()
	}
	return NewSecret()
}

// MaxSecrets is how many secrets of an endpoint sign at once: what is older is
// forgotten.
const MaxSecrets = 3

// How long the secrets before a new one go on signing.
const (
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 7 * 24 * time.Hour
)

// KeptSecret is a signing secret as it is kept: sealed.
type KeptSecret struct {
	Sealed    string
	PublicKey string    // whpk_… of a secret that signs v1a; else ""
	ExpiresAt time.Time // it signs until then; zero: it does not end
}

// Signs says whether the secret signs at a time.
func (s KeptSecret) Signs(now time.Time) bool { return s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt) }

// Signing are the secrets that sign at a time, newest first.
func Signing(list []KeptSecret, now time.Time) (live []KeptSecret) {
	for _, s := range list {
		if s.Signs(now) && len(live) < MaxSecrets {
			live = append(live, s)
		}
	}
	return live
}

// Rotation gives an endpoint a new secret.
type Rotation struct {
	Secret  string        // the new one
	Overlap time.Duration // how long those before it go on signing
	At      time.Time
}

// Check says what is wrong with a rotation; nil: nothing.
func (r Rotation) Check() error {
	if err := ValidSecret(r.Secret); err != nil {
		return err
	}
	if r.Overlap < 0 || r.Overlap > MaxOverlap {
		return fmt.Errorf("the overlap of two secrets is 0 to %d hours", int(MaxOverlap.Hours()))
	}
	return nil
}

// Apply puts the new secret, sealed, before those that sign. These go on for
// the overlap, but none for longer than it had.
func (r Rotation) Apply(list []KeptSecret, fresh KeptSecret) []KeptSecret {
	until, rotated := r.At.Add(r.Overlap), []KeptSecret{fresh}
	for _, s := range list {
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(until) {
			s.ExpiresAt = until
		}
		rotated = append(rotated, s)
	}
	return Signing(rotated, r.At)
}
