package merchant

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The forms of Standard Webhooks' asymmetric keys: the private one signs and
// stays here, the public one is the merchant's to verify with.
const (
	privatePrefix = "whsk_"
	publicPrefix  = "whpk_"
)

var errPrivateKey = errors.New(`a signing key pair is "whsk_" and the base64 of the 64 bytes of an ed25519 private key`)

// NewKeyPair makes a signing secret whose notices are verified with a public
// key: "whsk_" and the base64 of an ed25519 private key.
func NewKeyPair() string {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(fmt.Sprintf("merchant: the system's randomness never fails: %v", err))
	}
	return privatePrefix + base64.StdEncoding.EncodeToString(private)
}

// PublicKey is what a merchant verifies v1a signatures of a secret with,
// "whpk_…"; "" for a secret that signs v1: that one is shared itself.
func PublicKey(secret string) string {
	private, err := privateKey(secret)
	if err != nil {
		return ""
	}
	return publicPrefix + base64.StdEncoding.EncodeToString(private[ed25519.SeedSize:])
}

// privateKey reads a "whsk_…", and refuses one whose halves do not belong
// together: what it signs would tell its private half.
func privateKey(secret string) (ed25519.PrivateKey, error) {
	encoded, ok := strings.CutPrefix(secret, privatePrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) != ed25519.PrivateKeySize || base64.StdEncoding.EncodeToString(key) != encoded {
		return nil, errPrivateKey
	}
	private := ed25519.PrivateKey(key)
	if !private.Equal(ed25519.NewKeyFromSeed(private.Seed())) {
		return nil, errPrivateKey
	}
	return private, nil
}

// signPair is the v1a value of a notice.
func signPair(secret, id string, at time.Time, body []byte) (string, error) {
	private, err := privateKey(secret)
	if err != nil {
		return "", err
	}
	signed := fmt.Appendf(nil, "%s.%d.%s", id, at.Unix(), body)
	return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(private, signed)), nil
}
