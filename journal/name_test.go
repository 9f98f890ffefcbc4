package journal

import "testing"

func TestNames_ThereAndBack(t *testing.T) {
	for _, c := range []struct{ schema, name, text string }{
		{"", "orders", "orders"},
		{"public", "orders", "public.orders"},
		{"app", "Order Items", `app."Order Items"`},
		{"", "order", `"order"`},
		{"my.schema", `say "no"`, `"my.schema"."say ""no"""`},
		{"Ä", "1st", `"Ä"."1st"`},
	} {
		if got := QuoteName(c.schema, c.name); got != c.text {
			t.Errorf("%q %q: %s, want %s", c.schema, c.name, got, c.text)
		}
		if schema, name := SplitName(c.text); schema != c.schema || name != c.name {
			t.Errorf("%s: %q %q", c.text, schema, name)
		}
	}
	if schema, name := SplitName("App.Orders"); schema != "App" || name != "Orders" {
		t.Errorf("%q %q", schema, name)
	}
}
