package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries the signature of a call, an answer or a callback:
//
//	Sandbox-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">
//
// There may be several v1, one for each secret while secrets are rotated; any
// of them is good. What else stands there belongs to later versions.
const SignatureHeader = "Sandbox-Signature"

// Tolerance is how far a signature's time may be from ours, either way.
const Tolerance = 300 * time.Second

// What is read of a signature header at most: strangers send it.
const (
	maxHeader     = 1024
	maxSignatures = 8
)

// The ways in which a signature can be wrong.
var (
	ErrUnsigned  = errors.New("there is no usable " + SignatureHeader + " header")
	ErrForged    = errors.New("the signature does not fit the body: was it signed with our secret?")
	ErrStaleTime = errors.New("the signature's time is more than 300 s from ours: a replay, or a clock is wrong")
)

// Sign is the SignatureHeader of body.
func Sign(secret string, body []byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

// Verify says whether h signs body with secret at about now.
func Verify(secret string, h http.Header, body []byte, now time.Time) error {
	lines := h.Values(SignatureHeader)
	if len(lines) != 1 {
		return ErrUnsigned
	}
	t, signatures := readSignature(lines[0])
	seconds, err := strconv.ParseUint(t, 10, 40) // 40 bits reach the year 36812
	if err != nil || len(signatures) == 0 {
		return ErrUnsigned
	}
	if !anyEqual(signatures, mac(secret, t, body)) {
		return ErrForged
	}
	if now.Sub(time.Unix(int64(seconds), 0)).Abs() > Tolerance {
		return ErrStaleTime
	}
	return nil
}

// readSignature splits a header into its time and its v1 signatures. A header
// with two times is not read at all.
func readSignature(header string) (t string, signatures [][]byte) {
	if len(header) > maxHeader {
		return "", nil
	}
	for part := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "t":
			if t != "" {
				return "", nil
			}
			t = value
		case "v1":
			if sum, err := hex.DecodeString(value); err == nil && len(signatures) < maxSignatures {
				signatures = append(signatures, sum)
			}
		}
	}
	return t, signatures
}

// anyEqual compares in constant time.
func anyEqual(signatures [][]byte, want []byte) bool {
	equal := false
	for _, s := range signatures {
		equal = hmac.Equal(s, want) || equal
	}
	return equal
}

func mac(secret, prefix string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(prefix + "."))
	h.Write(body)
	return h.Sum(nil)
}
