package merchant

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// silent takes what comes and says nothing.
func silent(_ int, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// deaf reads nothing until the test is over. What is on its way to him keeps
// him from seeing that the caller hung up.
func deaf(conn net.Conn) {
	if raw, err := conn.(*net.TCPConn).SyscallConn(); err == nil {
		_ = raw.Read(func(uintptr) bool { return false })
	}
}

// afterRequest reads one request before it goes on.
func afterRequest(talk func(int, net.Conn)) func(int, net.Conn) {
	return func(nth int, conn net.Conn) {
		readRequest(conn)
		talk(nth, conn)
	}
}

// drip sends first, and then again a byte at a time, without end.
func drip(first, again string) func(int, net.Conn) {
	return func(_ int, conn net.Conn) {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		_, err := io.WriteString(conn, first)
		for i := 0; err == nil; i++ {
			<-tick.C
			_, err = conn.Write([]byte{again[i%len(again)]})
		}
	}
}

// flood sends first and then again and again, as fast as it is taken.
func flood(first, again string) func(int, net.Conn) {
	block := bytes.Repeat([]byte(again), 1+8<<10/len(again))
	return func(_ int, conn net.Conn) {
		_, err := io.WriteString(conn, first)
		for err == nil {
			_, err = conn.Write(block)
		}
	}
}

// resetting answers one request with raw and resets the connection.
func resetting(raw string) func(int, net.Conn) {
	return func(_ int, conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, raw)
		reset(conn)
	}
}

// closing answers one request with raw and hangs up.
func closing(raw string) func(int, net.Conn) {
	return func(_ int, conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, raw)
	}
}

func overTLS(config *tls.Config, talk func(int, net.Conn)) func(int, net.Conn) {
	return func(nth int, conn net.Conn) { talk(nth, tls.Server(conn, config)) }
}

// certificateAuthority issues certificates that our Notifier trusts in tests.
type certificateAuthority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

// certificate is one to be issued: of shop.example, for now and for servers.
type certificate struct {
	x509.Certificate
	selfSigned bool
}

var clientsOnly = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}

var authority = sync.OnceValue(func() certificateAuthority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	a := certificateAuthority{key: key, pool: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	a.pool.AddCert(a.cert)
	return a
})

func (a certificateAuthority) issue(t *testing.T, change func(*certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := certificate{Certificate: x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		DNSNames: []string{"shop.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}}
	change(&c)
	parent, signer := a.cert, a.key
	if c.selfSigned {
		parent, signer = &c.Certificate, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &c.Certificate, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
