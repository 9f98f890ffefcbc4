package doctor

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rowback/rowback/internal/testcert"
	"github.com/rowback/rowback/proxy"
)

// An endpoint that wants a certificate of its clients is known by its own.
func TestAdmin_ClientCertificates(t *testing.T) {
	ours, others := testcert.New(t), testcert.New(t)
	o := configured(t)
	o.TLSCert, o.TLSKey = ours.Issue(t, "proxy")
	o.AdminClientCA = others.CA
	config, err := proxy.LoadTLS(o.TLSCert, o.TLSKey, o.AdminClientCA)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	o.Admin = l.Addr().String()
	look(t, o).expect(t, "admin endpoint", OK, "those with a certificate")
	o.TLSCert, o.TLSKey = ours.Issue(t, "next")
	look(t, o).expect(t, "admin endpoint", Warn, "another certificate than tls-cert")
	o.AdminClientCA = "no-such-file"
	look(t, o).expect(t, "admin endpoint", Fail, "no-such-file")
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	o.Admin, o.AdminClientCA = plain.Listener.Addr().String(), others.CA
	look(t, o).expect(t, "admin endpoint", Fail, "no rowback proxy")
}
