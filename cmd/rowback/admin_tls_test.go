package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/testcert"
	"github.com/rowback/rowback/proxy"
)

// With admin-client-ca a certificate of that CA is what lets in, to read; who acts
// has a token besides. Without one there is no answer at all.
func TestAdmin_ClientCertificates(t *testing.T) {
	ours, others := testcert.New(t), testcert.New(t)
	cert, key := others.Issue(t, "admin") // the server's own CA is another one than its clients'
	server, err := proxy.LoadTLS(cert, key, ours.CA)
	if err != nil {
		t.Fatal(err)
	}
	a, _, hold := startedAdmin(t, access{act: actor}, server)
	for name, c := range map[string]struct {
		ca           *testcert.Authority // nil: no certificate
		method, path string
		token        string
		code         int // 0: no answer
		says         string
	}{
		"without one":                    {nil, "GET", "/metrics", "", 0, ""},
		"without one, for health":        {nil, "GET", "/healthz", "", 0, ""},
		"without one, but with a token":  {nil, "GET", "/metrics", actor, 0, ""},
		"of another CA":                  {others, "GET", "/metrics", "", 0, ""},
		"of another CA, with the token":  {others, "POST", "/api/v1/holds/" + hold, actor, 0, ""},
		"metrics":                        {ours, "GET", "/metrics", "", 200, "rowback_sessions"},
		"health":                         {ours, "GET", "/healthz", "", 200, "ok"},
		"entries":                        {ours, "GET", "/api/v1/entries", "", 200, `"user":"batch"`},
		"it does not act":                {ours, "POST", "/api/v1/holds/" + hold, "", 403, "for reading"},
		"nor with a token that is wrong": {ours, "POST", "/api/v1/holds/" + hold, actor + "x", 403, "for reading"},
	} {
		t.Run(name, func(t *testing.T) {
			code, body, err := ask(t, a, others, c.ca, c.method, c.path, c.token)
			if (err == nil) != (c.code != 0) || code != c.code || !strings.Contains(body, c.says) {
				t.Errorf("%d %s, %v; want %d %s", code, body, err, c.code, c.says)
			}
			if err != nil && !strings.Contains(err.Error(), "certificate") {
				t.Errorf("it does not say why: %v", err)
			}
		})
	}
	if code, body, err := ask(t, a, others, ours, "POST", "/api/v1/holds/"+hold, actor); code != 200 || !strings.Contains(body, "denied") {
		t.Errorf("with both: %d %s, %v", code, body, err)
	}
}

// What lets people in changes while it serves: other tokens, another CA, another certificate.
// Who came by what is no more is out, whatever connection he has kept, but for one request.
func TestAdmin_Reload(t *testing.T) {
	first, second := testcert.New(t), testcert.New(t)
	under := func(a *testcert.Authority) *tls.Config {
		t.Helper()
		cert, key := a.Issue(t, "admin")
		c, err := proxy.LoadTLS(cert, key, a.CA)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, _, hold := startedAdmin(t, access{read: reader, act: actor}, under(first))
	kept := asking(t, first, first)
	get := func() (int, error) {
		answer, err := kept.Get("https://" + a.listener.Addr().String() + "/metrics")
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode, answer.Body.Close()
	}
	if code, err := get(); code != 200 {
		t.Fatal(code, err)
	}
	a.reload(door{access{read: reader, act: actor + "2"}, under(second)})
	_, _ = get() // over a connection that was not quiet then
	if code, err := get(); err == nil {
		t.Error("over a connection from before:", code)
	}
	if code, body, err := ask(t, a, second, second, "POST", "/api/v1/holds/"+hold, actor); code != 403 {
		t.Errorf("with the old token: %d %s, %v", code, body, err)
	}
	if code, body, err := ask(t, a, second, second, "POST", "/api/v1/holds/"+hold, actor+"2"); code != 200 {
		t.Errorf("with the new one: %d %s, %v", code, body, err)
	}
	a.reload(door{access{}, nil}) // takes a restart
	if code, _, err := ask(t, a, second, second, "GET", "/metrics", ""); code != 200 {
		t.Error(code, err)
	}
}

// ask asks an endpoint whose certificate is of server, with one of client (nil: none).
func ask(t *testing.T, a *adminServer, server, client *testcert.Authority, method, path, token string) (code int, body string, err error) {
	t.Helper()
	c := asking(t, server, client)
	defer c.CloseIdleConnections()
	q, err := http.NewRequestWithContext(t.Context(), method, "https://"+a.listener.Addr().String()+path, strings.NewReader(`{"answer":"deny","by":"alice"}`))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := c.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

// asking is a client of an endpoint whose certificate is of server, with one of client (nil: none).
func asking(t *testing.T, server, client *testcert.Authority) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	pem, err := os.ReadFile(server.CA)
	if err != nil {
		t.Fatal(err)
	}
	config.RootCAs.AppendCertsFromPEM(pem)
	if client != nil {
		pair, err := tls.LoadX509KeyPair(client.Issue(t, "alice"))
		if err != nil {
			t.Fatal(err)
		}
		// Whatever CA the endpoint asks for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
}
