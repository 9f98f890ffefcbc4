package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// endpoint is where HTTP sinks post to.
type endpoint struct {
	URL     Secret // its path or query may hold a token
	Headers map[string]Secret
}

// refusedError: the other side answered, and did not take it.
type refusedError struct {
	answer  string
	said    string        // the beginning of what it said, in one line
	passing bool          // a second try may do better
	after   time.Duration // Retry-After, 0 if there was none
}

func (e *refusedError) Error() string {
	if e.said == "" {
		return e.answer
	}
	return e.answer + ": " + e.said
}

func refused(resp *http.Response, said string) error {
	e := &refusedError{answer: "it answered " + resp.Status, said: oneLine(said), after: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		e.passing = true
	}
	if e.passing = e.passing || resp.StatusCode/100 == 5; resp.StatusCode/100 == 3 {
		e.answer += " (redirects are not followed)"
	}
	return e
}

// maxSaid bounds what of an answer is shown.
const maxSaid = 200

// client opens a connection a post: alerts are rare, and one kept open would be
// found dead when it matters. Redirects are not followed: a POST would become a GET
// whose answer means nothing, and headers would go elsewhere.
var client = &http.Client{
	Transport: func() *http.Transport {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true
		return t
	}(),
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// post sends a body. Its error may hold secrets: see mask.
func (p endpoint) post(ctx context.Context, path string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(p.URL)+path, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "rowback")
	for name, value := range p.Headers {
		req.Header.Set(name, string(value))
	}
	resp, err := client.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // without the URL
		}
		return fmt.Errorf("%s cannot be reached: %w", p.String(), err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 4*maxSaid))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return refused(resp, string(said))
}

func (p endpoint) String() string {
	u, err := url.Parse(string(p.URL))
	if err != nil {
		return "an URL"
	}
	return u.Host
}

// secrets are the headers, and the parts of the address that may be one.
func (p endpoint) secrets() []string {
	out := []string{string(p.URL)}
	if u, err := url.Parse(string(p.URL)); err == nil {
		parts := append(strings.Split(u.Path, "/"), u.Path, u.RequestURI(), u.RawQuery)
		for _, values := range u.Query() {
			parts = append(parts, values...)
		}
		for _, p := range parts {
			if len(p) >= shortestPart {
				out = append(out, p)
			}
		}
		if password, ok := u.User.Password(); ok {
			out = append(out, password)
		}
	}
	for _, v := range p.Headers {
		out = append(append(out, string(v)), strings.Fields(string(v))...)
	}
	return out
}

// retryAfter is the header's time, in seconds or as a date.
func retryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(header); err == nil {
		return time.Duration(max(n, 0)) * time.Second
	}
	if t, err := http.ParseTime(header); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// oneLine is the beginning of what another program said, fit for a log.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(s); len(r) > maxSaid {
		return string(r[:maxSaid]) + "…"
	}
	return s
}
