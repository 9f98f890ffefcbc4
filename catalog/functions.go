package catalog

// functionRow is a function, procedure or aggregate that is not the server's own.
type functionRow struct {
	oid          uint32
	schema, name string
	kind         byte // pg_proc.prokind: f p a w
	language     string
	volatility   byte   // pg_proc.provolatile: i s v
	source       string // body, or for language internal the name of the server's function
	atomic       string // BEGIN ATOMIC body or RETURN expression, PG 14+
	extension    string
	settings     string // pg_proc.proconfig, "" if none
	internal     bool   // only the server itself can call it
}

// function: oid, schema, name, kind, language, volatility, source, atomic body, extension, internal, settings.
func (l *loader) function(d document) {
	l.functions = append(l.functions, &functionRow{
		oid: d.oid(0), schema: d.text(1), name: d.text(2), kind: d.char(3), language: d.text(4), volatility: d.char(5),
		source: d.text(6), atomic: d.text(7), extension: d.text(8), internal: d.flag(9), settings: d.text(10),
	})
}

func (f *functionRow) node() node { return node{kind: function, oid: f.oid} }

func (f *functionRow) label() string {
	kind := "function "
	switch f.kind {
	case 'p':
		kind = "procedure "
	case 'a':
		kind = "aggregate "
	}
	return kind + f.schema + "." + f.name
}

// body reads what the function does. Of functions not written in SQL or
// PL/pgSQL:
//   - internal: the server's own under another name;
//   - C: harmless if of a harmless extension, or of any extension as long as it
//     is declared IMMUTABLE or only the server can call it; else unknown;
//   - any other language: unknown.
func (f *functionRow) body() body {
	switch f.language {
	case langSQL, langPLpgSQL:
		text := f.source
		if f.atomic != "" {
			text = f.atomic
		}
		return readBody(text, f.language)
	case "internal":
		return body{names: map[string]bool{Fold(f.source): false}}
	case "c":
		if f.extension != "" && (f.volatility == 'i' || f.internal || isHarmlessExtension(f.extension)) {
			return body{}
		}
	}
	b := body{commits: f.language != "c", renames: f.language != "c"}
	b.removes("language " + f.language)
	return b
}
