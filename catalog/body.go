package catalog

import (
	"regexp"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// body is what a function's text does, as its words tell.
//
// The text is taken apart by PostgreSQL's own lexer, so comments and string
// literals do not count, and not by a parser: a statement that removes rows
// must contain one of a few key words, or name what does it for it. Words
// cannot be hidden in a construct that a parser of another version, or of
// PL/pgSQL, does not know; reading too much into them is the safe side.
type body struct {
	text    string
	deletes string          // the first thing in it that removes rows ("DELETE"), "" if none
	commits bool            // COMMIT or ROLLBACK
	ddl     bool            // DDL, for event triggers
	alters  bool            // ALTER
	renames bool            // it may set what names mean in the session: search_path, or the role
	names   map[string]bool // every name in it, folded as Fold does; true: also in a place that is written to
}

// Languages whose bodies are read.
const (
	langSQL     = "sql"
	langPLpgSQL = "plpgsql"
)

// readBody reads a body. Text that the lexer refuses may do anything.
func readBody(text, lang string) body {
	b := body{text: text, names: map[string]bool{}}
	scan, err := pg_query.Scan(text)
	if err != nil {
		b.removes("text that cannot be read")
		b.commits, b.renames = true, true
		return b
	}
	var w words
	for _, t := range scan.Tokens {
		if t.Token != pg_query.Token_SQL_COMMENT && t.Token != pg_query.Token_C_COMMENT {
			w = append(w, word{token: t.Token, kind: t.KeywordKind, text: text[t.Start:t.End]})
		}
	}
	for i := range w {
		b.read(w, i, lang)
	}
	if b.alters { // what is called otherwise then, or hangs on what, is not known
		b.removes("ALTER")
	}
	if _, ok := b.names["pg_settings"]; ok {
		b.renames = b.renames || ofNames.MatchString(text)
	}
	return b
}

// nameSettings are the settings by which a name may mean something else, ofNames a text
// that may have one of them.
var (
	nameSettings = map[string]bool{"search_path": true, "role": true, "session_authorization": true}
	ofNames      = regexp.MustCompile(`(?i)search_path|role|authorization`)
)

func (b *body) removes(what string) {
	if b.deletes == "" {
		b.deletes = what
	}
}

func (b *body) read(w words, i int, lang string) {
	before, after := w.at(i-1), w.at(i+1)
	// No statement begins there: the word is a column's name (SELECT delete FROM, x.delete FROM).
	column := before == dot || before == comma || before == pg_query.Token_SELECT
	switch w[i].token {
	case pg_query.Token_DELETE_P:
		// DELETE FROM, or MERGE … THEN DELETE; not ON COMMIT DELETE ROWS, ON DELETE CASCADE.
		if after == pg_query.Token_FROM && !column || before == pg_query.Token_THEN {
			b.removes("DELETE")
		}
	case pg_query.Token_TRUNCATE:
		if after != pg_query.Token_ON && after != pg_query.Token_OR && !column {
			b.removes("TRUNCATE")
		}
	case pg_query.Token_DROP:
		b.ddl = true
		switch after {
		case pg_query.Token_TABLE, pg_query.Token_SCHEMA, pg_query.Token_OWNED, pg_query.Token_DATABASE,
			pg_query.Token_EXTENSION, pg_query.Token_FOREIGN:
			b.removes("DROP")
		case pg_query.Token_TYPE_P, pg_query.Token_DOMAIN_P, pg_query.Token_FUNCTION, pg_query.Token_PROCEDURE, pg_query.Token_ROUTINE,
			pg_query.Token_AGGREGATE, pg_query.Token_OPERATOR, pg_query.Token_COLLATION, pg_query.Token_ACCESS, pg_query.Token_CAST, pg_query.Token_LANGUAGE:
			if w.cascades(i) { // to a table of that type, or partitioned by what calls that
				b.removes("DROP … CASCADE")
			}
		}
	case pg_query.Token_DETACH, pg_query.Token_ATTACH:
		if after == pg_query.Token_PARTITION { // the partition's triggers are then the parent's
			b.removes(strings.ToUpper(w[i].text) + " PARTITION")
		}
	case pg_query.Token_INHERIT:
		b.removes("INHERIT")
	case pg_query.Token_PREPARE:
		if !column {
			b.removes("PREPARE")
		}
	case pg_query.Token_EXECUTE:
		if !column && after != pg_query.Token_FUNCTION && after != pg_query.Token_PROCEDURE && after != pg_query.Token_ON {
			b.removes("dynamic EXECUTE")
			b.renames = true
		}
	case pg_query.Token_DO:
		if after == pg_query.Token_SCONST || after == pg_query.Token_LANGUAGE {
			b.removes("DO block")
		}
	case pg_query.Token_CREATE:
		b.ddl = true
		if what := w.creates(i); what != "" {
			b.removes("CREATE " + what)
		}
	case pg_query.Token_ENABLE_P:
		switch after {
		case pg_query.Token_TRIGGER, pg_query.Token_RULE, pg_query.Token_ALWAYS, pg_query.Token_REPLICA:
			b.removes("ENABLE TRIGGER or RULE")
		}
	case pg_query.Token_SET, pg_query.Token_RESET:
		b.renames = b.renames || w.setsNames(i)
	case pg_query.Token_LOAD:
		if after == pg_query.Token_SCONST {
			b.removes("LOAD")
		}
	case pg_query.Token_COMMIT, pg_query.Token_ROLLBACK:
		b.commits = b.commits || before != pg_query.Token_ON
	case pg_query.Token_ALTER:
		b.ddl, b.alters = true, true
	case pg_query.Token_GRANT, pg_query.Token_REVOKE, pg_query.Token_COMMENT, pg_query.Token_REFRESH,
		pg_query.Token_REINDEX, pg_query.Token_IMPORT_P, pg_query.Token_SECURITY:
		b.ddl = true
	case pg_query.Token_INTO:
		// SELECT INTO creates a table in SQL; in PL/pgSQL it sets variables.
		b.ddl = b.ddl || lang == langSQL && before != pg_query.Token_INSERT && before != pg_query.Token_MERGE
	case pg_query.Token_SCONST:
		// With standard_conforming_strings off it would end elsewhere.
		if strings.HasPrefix(w[i].text, "'") && strings.Contains(w[i].text, `\'`) {
			b.removes(`a string with \' in it`)
		}
	case pg_query.Token_UIDENT:
		b.removes("an identifier with Unicode escapes")
	}
	if name, ok := w[i].name(); ok {
		if name == "set_config" {
			setting, known := w.setting(i)
			b.renames = b.renames || known && nameSettings[setting] || !known && ofNames.MatchString(b.text)
		}
		b.names[name] = b.names[name] || w.written(i)
	}
}

// words are a body's tokens without its comments.
type words []word

type word struct {
	token pg_query.Token
	kind  pg_query.KeywordKind
	text  string
}

const (
	dot   = pg_query.Token_ASCII_46
	comma = pg_query.Token_ASCII_44
)

func (w words) at(i int) pg_query.Token {
	if i < 0 || i >= len(w) {
		return pg_query.Token_NUL
	}
	return w[i].token
}

// name is the word as a name, folded; false if it cannot be one. Key words that
// are not reserved can, and after a dot all can: they are taken for names too.
func (w word) name() (string, bool) {
	switch {
	case strings.HasPrefix(w.text, `"`):
		return Fold(strings.ReplaceAll(w.text[1:len(w.text)-1], `""`, `"`)), true
	case w.token == pg_query.Token_IDENT, w.kind != pg_query.KeywordKind_NO_KEYWORD:
		return Fold(w.text), true
	}
	return "", false
}

// written reports whether word i ends, or is part of, the name of a relation
// that the statement writes to: INTO, UPDATE, ONLY or COPY stands before it.
func (w words) written(i int) bool {
	for i >= 2 && w.at(i-1) == dot {
		i -= 2
	}
	switch w.at(i - 1) {
	case pg_query.Token_INTO, pg_query.Token_UPDATE, pg_query.Token_ONLY, pg_query.Token_COPY:
		return true
	}
	return false
}

// cascades reports whether the statement at i ends with CASCADE.
func (w words) cascades(i int) bool {
	for ; i < len(w) && w[i].token != pg_query.Token_ASCII_59; i++ {
		if w[i].token == pg_query.Token_CASCADE {
			return true
		}
	}
	return false
}

// setsNames reports whether the SET or RESET at i is of search_path, or of the role.
func (w words) setsNames(i int) bool {
	for i++; w.at(i) == pg_query.Token_LOCAL || w.at(i) == pg_query.Token_SESSION; {
		i++
	}
	switch w.at(i) {
	case pg_query.Token_ROLE, pg_query.Token_AUTHORIZATION, pg_query.Token_SCHEMA, pg_query.Token_ALL:
		return true
	}
	return i < len(w) && Fold(strings.Trim(w[i].text, `"`)) == "search_path"
}

// setting is what the set_config at i sets, if a mere literal says so.
func (w words) setting(i int) (name string, known bool) {
	if w.at(i+1) != pg_query.Token_ASCII_40 || w.at(i+2) != pg_query.Token_SCONST || w.at(i+3) != comma {
		return "", false
	}
	name, ok := strings.CutPrefix(w[i+2].text, "'")
	name, end := strings.CutSuffix(name, "'")
	return Fold(name), ok && end && !strings.ContainsAny(name, `'\`)
}

// creates says what the CREATE at i makes, of what could delete once it exists.
func (w words) creates(i int) string {
	for j := i + 1; j < len(w) && j <= i+4; j++ {
		switch w[j].token {
		case pg_query.Token_FUNCTION, pg_query.Token_PROCEDURE, pg_query.Token_TRIGGER, pg_query.Token_RULE, pg_query.Token_EXTENSION,
			pg_query.Token_TABLE, pg_query.Token_VIEW: // of another one's triggers, or over it; temporary ones are the session's to know
			return strings.ToUpper(w[j].text)
		case pg_query.Token_OR, pg_query.Token_REPLACE, pg_query.Token_CONSTRAINT, pg_query.Token_EVENT,
			pg_query.Token_UNLOGGED, pg_query.Token_FOREIGN, pg_query.Token_MATERIALIZED, pg_query.Token_RECURSIVE:
		default:
			return ""
		}
	}
	return ""
}
