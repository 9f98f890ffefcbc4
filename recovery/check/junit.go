package check

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// The JUnit form that continuous integration reads: a suite per kind of check.
type (
	suites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Time     string   `xml:"time,attr"`
		Suites   []*suite `xml:"testsuite"`
	}
	suite struct {
		Name      string     `xml:"name,attr"`
		Tests     int        `xml:"tests,attr"`
		Failures  int        `xml:"failures,attr"`
		Errors    int        `xml:"errors,attr"`
		Time      string     `xml:"time,attr"`
		Timestamp string     `xml:"timestamp,attr"`
		Hostname  string     `xml:"hostname,attr"`
		Cases     []testCase `xml:"testcase"`

		seconds float64
	}
	testCase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Time    string   `xml:"time,attr"`
		Failure *problem `xml:"failure,omitempty"`
		Error   *problem `xml:"error,omitempty"`
	}
	problem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit prints the report as JUnit XML: a problem is a failure, a check
// that could not be made an error.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := suites{Name: "rowback check", Tests: len(r.Results), Failures: r.count(Problem), Errors: r.count(Failed), Time: seconds(r.Seconds)}
	for _, x := range r.Results {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != x.Kind {
			all.Suites = append(all.Suites, &suite{Name: x.Kind, Timestamp: r.Time.Format(time.RFC3339), Hostname: clean(r.Database)})
		}
		s := all.Suites[len(all.Suites)-1]
		c := testCase{Name: clean(x.Name), Class: clean(strings.TrimSuffix(x.Kind+"."+x.Table, ".")), Time: seconds(x.Seconds)}
		switch p := (&problem{Message: clean(x.Detail), Type: x.Kind, Text: clean(x.lines())}); x.Status {
		case Problem:
			c.Failure = p
			s.Failures++
		case Failed:
			c.Error = p
			s.Errors++
		}
		s.Tests++
		s.seconds += x.Seconds
		s.Time = seconds(s.seconds)
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (x Result) lines() string {
	out := make([]string, len(x.Rows))
	for i, row := range x.Rows {
		out[i] = string(row)
	}
	return strings.Join(out, "\n")
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// clean drops what XML 1.0 cannot hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF || r == utf8.RuneError {
			return '·'
		}
		return r
	}, s)
}
