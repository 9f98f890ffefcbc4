package doctor

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// admin: the endpoint is free for a proxy to take, or a proxy answers there.
func (e *examination) admin(ctx context.Context) {
	const name = "admin endpoint"
	if e.o.Admin == "" {
		e.ok(name, "off")
		return
	}
	if !e.adminFiles(name) {
		return
	}
	address, err := net.ResolveTCPAddr("tcp", e.o.Admin)
	if err == nil {
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", e.o.Admin); err == nil {
			_ = l.Close() // only asked for
			e.absent = true
			e.ok(name, "%s is free; no proxy runs there yet", e.o.Admin)
			return
		}
	}
	const mend = "give another address with --admin, or end what listens there"
	if address == nil {
		e.fail(name, mend, "%v", err)
		return
	}
	if address.IP == nil || address.IP.IsUnspecified() {
		address.IP = net.IPv4(127, 0, 0, 1)
	}
	if e.o.AdminClientCA != "" {
		e.adminTLS(ctx, name, mend, address.String())
		return
	}
	if status, body, httpErr := get(ctx, address.String(), "/healthz"); httpErr != nil || status != http.StatusOK || body != "ok" {
		e.fail(name, mend, "%v, and what answers at %s is no rowback proxy", err, e.o.Admin)
		return
	}
	e.runs = true
	status, body, err := get(ctx, address.String(), "/readyz")
	switch {
	case err != nil:
		e.fail(name, "look into the proxy's log", "the proxy does not say whether it is ready: %v", err)
	case status != http.StatusOK:
		e.fail(name, "mend what it says", "a proxy runs, and is not ready: %s", body)
	default:
		e.ok(name, "a proxy answers at %s, and is ready", e.o.Admin)
	}
}

func get(ctx context.Context, address, path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0, "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: 5 * time.Second}}
	a, err := client.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, 4096))
	return a.StatusCode, strings.TrimSpace(string(text)), err
}
