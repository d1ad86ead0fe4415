package merchant

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secretPrefix = "whsec_"

// errSecret never shows the secret it is about.
var errSecret = errors.New(`a signing secret is "whsec_" and the base64 of 24 to 64 bytes, or "whsk_" and that of an ed25519 private key`)

// NewSecret makes a signing secret in the form of Standard Webhooks: "whsec_"
// and the base64 of 32 random bytes.
func NewSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// ValidSecret says what is wrong with a signing secret; nil: nothing.
func ValidSecret(secret string) error {
	if SchemeOf(secret) == V1A {
		_, err := privateKey(secret)
		return err
	}
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return errSecret
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) < 24 || len(key) > 64 {
		return errSecret
	}
	if base64.StdEncoding.EncodeToString(key) != encoded {
		return errSecret // decoding overlooks line breaks and loose bits at the end
	}
	return nil
}

// Sign is the webhook-signature of a notice: one value per secret, v1 or v1a by
// its kind, in their order. Any one of them is enough for the merchant, so that a secret can be
// replaced while both the old and the new one sign.
func Sign(secrets []string, id string, at time.Time, body []byte) (string, error) {
	if len(secrets) == 0 {
		return "", errors.New("there is no secret to sign with")
	}
	values := make([]string, len(secrets))
	for i, secret := range secrets {
		sign := signShared
		if SchemeOf(secret) == V1A {
			sign = signPair
		}
		var err error
		if values[i], err = sign(secret, id, at, body); err != nil {
			return "", err
		}
	}
	return strings.Join(values, " "), nil
}

// signShared is the v1 value of a notice.
func signShared(secret, id string, at time.Time, body []byte) (string, error) {
	if err := ValidSecret(secret); err != nil {
		return "", err
	}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return "", errSecret
	}
	return signer.Sign(id, at, body)
}
