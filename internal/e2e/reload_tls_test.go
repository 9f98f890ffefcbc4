package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// selfSigned writes a certificate with a serial number, and its key.
func selfSigned(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(&block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// shown is the serial number of the certificate that clients are shown, 0 if none is.
func (r *reloaded) shown() int64 {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	answer := make([]byte, 1)
	if _, err = c.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, 80877103)); err == nil {
		_, err = c.Read(answer)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if answer[0] == 'N' {
		return 0
	}
	s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	if err := s.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return s.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// SIGHUP reads certificate and key again; what does not fit together is not taken.
func TestReload_Certificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	selfSigned(t, cert, key, 1)
	config := "tls-cert: " + cert + "\ntls-key: " + key + "\n"
	r := newReloaded(t, config)
	want := func(serial int64) {
		t.Helper()
		if got := r.shown(); got != serial {
			t.Errorf("certificate %d is shown, want %d", got, serial)
		}
	}
	want(1)
	selfSigned(t, cert, key, 2)
	want(1)
	r.reload(config, "configuration reloaded")
	want(2)
	selfSigned(t, cert, filepath.Join(dir, "b.key"), 3)
	r.reload(config+"threshold: 7\n", "configuration not reloaded")
	want(2)
	r.reload("threshold: 7\n", "configuration reloaded")
	want(0)
	r.reload("tls-cert: "+cert+"\ntls-key: "+filepath.Join(dir, "b.key")+"\n", "configuration reloaded")
	want(3)
}
