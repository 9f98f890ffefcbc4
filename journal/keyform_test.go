package journal

import "testing"

// A value has one form however it was written, and no other value has it.
func TestColumn_SameValueWrittenOtherwise(t *testing.T) {
	for typ, values := range map[string][][]string{ // each of them one value
		"timestamp with time zone": {
			{"2026-01-01T21:00:00+00:00", "2026-01-01 21:00:00+00", "2026-01-02 02:30:00+05:30", "2026-01-01 16:00:00-05"}, {"2026-01-01T21:00:00.000001+00:00", "2026-01-01 21:00:00.000001+00"},
			{"0044-03-15T12:00:00+00:00 BC", "0044-03-15 12:53:28+00:53:28 BC"}, {"0044-03-15T12:00:00+00:00"}, {"12026-01-01T00:00:00+00:00", "12026-01-01 00:00:00+00"}, {"infinity"}, {"-infinity"},
		},
		"timestamp(3) without time zone": {{"2026-01-01T21:00:00.5", "2026-01-01 21:00:00.5"}, {"2026-01-01T21:00:00"}, {"0044-03-15T12:00:00 BC", "0044-03-15 12:00:00 BC"}},
		"interval": {
			{"P0Y0M1DT2H0M0.000000S", "1 day 02:00:00", "26:00:00"}, {"P1Y2M-3DT-4H-5M-6.500000S", "1 year 2 mons -3 days -04:05:06.5"}, {"P-1Y-2M3DT4H5M6.500000S", "-1 years -2 mons +3 days 04:05:06.5"},
			{"P0Y0M0DT0H0M-0.000001S", "-00:00:00.000001"}, {"P0Y1M0DT0H0M0.000000S", "1 mon", "30 days"}, {"P0Y0M0DT0H0M0.000000S", "00:00:00"}, {"P-178000000Y0M0DT0H0M0.000000S", "-178000000 years"},
		},
		"double precision": {{"1.0000000000000001e-01", "0.1"}, {"1.0000000000000002e-01"}, {"1.7976931348623157e+308", "1.7976931348623157e308"}, {"-0.0000000000000000e+00", "-0", "0"}, {"NaN"}, {"Infinity"}, {"-Infinity"}},
		"real":             {{"1.00000001e-01", "0.1"}, {"1.00000009e-01"}},
		"numeric(10,2)":    {{"1.00", "1", "1.0"}, {"10"}, {"1.01"}, {"NaN"}},
		"money":            {{"-1234.50", "-$1,234.50"}, {"1234.50", "$1,234.50"}},
		"tstzrange":        {{`["2026-01-01T21:00:00+00:00","2026-01-02T00:00:00+00:00")`, `["2026-01-01 21:00:00+00","2026-01-02 05:30:00+05:30")`}, {`["2026-01-01T21:00:00+00:00",)`, `["2026-01-01 21:00:00+00",)`}, {"empty"}, {"(,)"}},
		"daterange":        {{`["2026-01-01","2026-01-05")`, `[2026-01-01,2026-01-05)`}, {`[2026-01-01,2026-01-06)`}},
		"text":             {{"2026-01-01T21:00:00+00:00"}, {"2026-01-01 21:00:00+00"}, {"1.0"}, {"1"}},
	} {
		seen := map[string]string{}
		for _, ways := range values {
			want := Column{Type: typ}.Same(ways[0])
			if other, taken := seen[want]; taken {
				t.Errorf("%s: %q is taken for %q", typ, ways[0], other)
			}
			seen[want] = ways[0]
			for _, way := range ways[1:] {
				if got := (Column{Type: typ}).Same(way); got != want {
					t.Errorf("%s: %q is %q, %q is %q", typ, ways[0], want, way, got)
				}
			}
		}
	}
}
