package recovery

import (
	"io"
	"strings"
	"testing"
)

// What is read at night is the last line: all that was done is in it.
func TestReport_LastLine(t *testing.T) {
	for want, r := range map[string]interface{ WriteText(io.Writer) }{
		"\n1,237 rows restored in 0.1 s; on record as E.\n":                                           &Report{Restored: 1237, Entry: "E", Seconds: 0.1, Tables: []Count{{Restored: 1237}}},
		"\n0 rows restored, 1 link given back, 500 soft deletes set back in 0.1 s; on record as E.\n": &Report{Entry: "E", Seconds: 0.1, Tables: []Count{{Relinked: 1}, {Unmarked: 500}}},
		"\n0 rows removed, 2 links cut again, 1 row marked as deleted again in 0.1 s; on record as E, which `rowback restore` can bring back.\n": &UndoReport{Entry: "E", Seconds: 0.1,
			Tables: []UndoCount{{Unlinked: 2, Marked: 1}}},
	} {
		var text strings.Builder
		if r.WriteText(&text); !strings.HasSuffix(text.String(), want) {
			t.Errorf("%s\nwant the end %s", text.String(), want)
		}
	}
}
