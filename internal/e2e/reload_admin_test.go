package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// SIGHUP reads the tokens of the admin endpoint again, and takes none that would open it.
func TestReload_AdminToken(t *testing.T) {
	addr := freeAddr(t)
	token := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(token, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const first, second = "the-first-of-two-tokens", "and-then-another-token"
	write(first)
	config := "admin-token: " + token + "\nthreshold: 7\n"
	r := newReloaded(t, config, "--admin", addr)
	want := func(given string, status int) {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+given)
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s: %s", given, answer.Status)
		}
	}
	want(first, http.StatusOK)
	write(second)
	r.reload(config, "configuration reloaded")
	want(first, http.StatusUnauthorized)
	want(second, http.StatusOK)
	write("short")
	if line := r.reload(config, "configuration"); !strings.Contains(line, "not reloaded") || strings.Contains(line, "short") {
		t.Error(line)
	}
	want(second, http.StatusOK)
}
