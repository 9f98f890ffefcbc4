package journal

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Same is a key's value in the one form that stands for it, whatever it was written
// as: entries have timestamps in ISO 8601 or as PostgreSQL prints them, in any zone,
// floats with all their digits or the fewest, and so on. Values that PostgreSQL takes
// for equal have one form, others have two. It is no value to cast: to compare only.
func (c Column) Same(text string) string {
	switch typ := c.Type; {
	case strings.HasPrefix(typ, "timestamp"):
		return sameInstant(text)
	case strings.HasPrefix(typ, "interval"):
		return sameInterval(text)
	case typ == "double precision":
		return sameFloat(text, 64)
	case typ == "real":
		return sameFloat(text, 32)
	case strings.HasPrefix(typ, "numeric"):
		return sameNumber(text)
	case typ == "money":
		return sameNumber(strings.NewReplacer("$", "", ",", "").Replace(text))
	case typ == "tsrange", typ == "tstzrange", typ == "daterange":
		return sameRange(text)
	}
	return text
}

var instant = regexp.MustCompile(`^(\d{4,})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-]\d\d)(?::(\d\d))?(?::(\d\d))?)?( BC)?$`)

// sameInstant is in microseconds; infinities are left as they are.
func sameInstant(text string) string {
	m := instant.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	n := make([]int, len(m))
	for i := range m {
		n[i], _ = strconv.Atoi(m[i]) // digits, or nothing
	}
	if m[11] != "" {
		n[1] = 1 - n[1]
	}
	if strings.HasPrefix(m[8], "-") {
		n[9], n[10] = -n[9], -n[10]
	}
	fraction, _ := microseconds("0." + m[7])
	at := time.Date(n[1], time.Month(n[2]), n[3], n[4]-n[8], n[5]-n[9], n[6]-n[10], 0, time.UTC)
	return strconv.FormatInt(at.Unix()*1e6+fraction, 10)
}

// microseconds of seconds with a fraction.
func microseconds(text string) (int64, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(digits, "+"), ".")
	n, err := strconv.ParseInt(whole+(fraction + "000000")[:6], 10, 64)
	if negative {
		n = -n
	}
	return n, err
}

const (
	day   = 24 * 60 * 60 * 1e6
	month = 30 * day // as PostgreSQL compares them
)

var (
	isoInterval   = regexp.MustCompile(`^P(-?\d+)Y(-?\d+)M(-?\d+)DT(-?\d+)H(-?\d+)M(-?\d+(?:\.\d{1,6})?)S$`)
	plainInterval = regexp.MustCompile(`^(?:([+-]?\d+) years? ?)?(?:([+-]?\d+) mons? ?)?(?:([+-]?\d+) days? ?)?(?:([+-]?)(\d+):(\d\d):(\d\d(?:\.\d{1,6})?))?$`)
)

// sameInterval is in microseconds, of 24 hours a day and 30 days a month.
func sameInterval(text string) string {
	sign, m := int64(1), isoInterval.FindStringSubmatch(text)
	if m == nil {
		if m = plainInterval.FindStringSubmatch(text); m == nil || text == "" {
			return text
		}
		if m[4] == "-" {
			sign = -1
		}
		m = append(m[:4], m[5:]...)
	}
	n := make([]int64, 6)
	for i := range n {
		n[i], _ = strconv.ParseInt(m[i+1], 10, 64) // a number, or nothing
	}
	n[5], _ = microseconds(m[6])
	// What overflows does so alike in both forms.
	return strconv.FormatInt((n[0]*12+n[1])*month+n[2]*day+sign*(n[3]*60*60*1e6+n[4]*60*1e6+n[5]), 10)
}

func sameFloat(text string, bits int) string {
	f, err := strconv.ParseFloat(text, bits)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return text
	}
	return strconv.FormatFloat(f+0, 'g', -1, bits) // -0 + 0 is 0
}

// sameNumber is without the zeros that end a fraction.
func sameNumber(text string) string {
	if !strings.Contains(text, ".") {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// sameRange compares the bounds, which may stand in quotes.
func sameRange(text string) string {
	lower, upper, ok := strings.Cut(text, ",")
	if !ok || len(lower) == 0 || len(upper) == 0 {
		return text
	}
	last := len(upper) - 1
	return lower[:1] + sameInstant(strings.Trim(lower[1:], `"`)) + "," + sameInstant(strings.Trim(upper[:last], `"`)) + upper[last:]
}
