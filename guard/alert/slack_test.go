package alert

import (
	"strings"
	"testing"
)

func TestSlack_Text(t *testing.T) {
	r := newReceiver(t, nil)
	e := blocked("<!channel> & <@U1>")
	e.ID = "B1"
	n := ofEntry(e)
	n.More, n.MoreRows = 1, 50
	var got map[string]string
	decode(t, sent(t, r, Slack{URL: Secret(r.URL)}, true, n).body, &got)
	want := `*rowback blocked a statement in shop*
DELETE would remove 50 rows (orders 20, payments 30), limit 10
Tables: orders 20, audit.payments 30 (cascade)
by &lt;!channel&gt; &amp; &lt;@U1&gt; with psql from 10.0.0.5:4122, rule nightly
and 1 more like it (50 rows)
> DELETE FROM orders WHERE email = 'SECRET-ROW'
Reference: B1
Nothing was removed. See it: rowback log B1. If it is meant: rowback allow --rows 50 --for 10m --once --user '&lt;!channel&gt; &amp; &lt;@U1&gt;' --database shop --table orders --reason WHY, then run it again.`
	if got["text"] != want || len(got) != 1 {
		t.Errorf("got\n%s\nwant\n%s", got["text"], want)
	}
	decode(t, sent(t, r, Slack{URL: Secret(r.URL)}, false, ofHold(hold())).body, &got)
	if text := got["text"]; !strings.Contains(text, "waits for your word") || !strings.Contains(text, "rowback allow ") || !strings.Contains(text, "rowback deny ") {
		t.Error(text)
	}
}
