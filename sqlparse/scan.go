package sqlparse

// Scan reports whether the text could be anything but plain: false means that
// no statement in it removes rows by itself, controls a transaction or carries
// a flag (see Statement), and that it mentions none of the names. It looks at
// words, not at grammar, so it is often true in vain, and never false in vain.
// It reads up to the first NUL, allocates nothing, and takes time linear in the
// text's length.
//
// Three kinds of words matter: a few anywhere (DELETE inside WITH), the names
// anywhere, and what begins a statement: at the text's start anything but the
// usual harmless ones, after a semicolon (which may stand in a string) only
// what is known to matter.
func (n *Names) Scan(text []byte) bool {
	if n == nil {
		n = noNames
	}
	first := start(text)
	if first < len(text) && text[first] != 0 && !harmless(text[first:]) {
		return true
	}
	return n.scan(text, first, nil)
}

// Mentions returns the names that the text may mention: every one if that
// cannot be told. It reads the text as Scan does.
func (n *Names) Mentions(text []byte) []string {
	if n == nil || len(n.all) == 0 {
		return nil
	}
	found := map[string]bool{}
	if n.scan(text, start(text), found) {
		return n.all
	}
	var names []string
	for _, name := range n.all {
		if found[name] {
			names = append(names, name)
		}
	}
	return names
}

var noNames = NewNames[struct{}](nil)

// scan looks at every word from first on. With found it collects names and
// leaves keywords alone; true then means that any name may be meant.
func (n *Names) scan(text []byte, first int, found map[string]bool) bool {
	if len(n.cut) > 0 {
		return true
	}
	insert, dashes := -1, false // the end of an INSERT that INTO may follow; a line comment was possible
	for i := first; i < len(text); {
		c := text[i]
		if isStart[c] {
			begin, bits := i, c
			for i++; i < len(text) && isWord[text[i]]; i++ {
				bits |= text[i]
			}
			if bits < 0x80 && n.sizes[lower[c]]&(1<<min(i-begin, 63)) == 0 {
				continue
			}
			switch n.word(text[begin:i], bits >= 0x80, found) {
			case matters:
				return true
			case wordInsert:
				if begin == first || !dashes && opens(text[:begin]) {
					insert = i
				}
			case wordInto:
				if found == nil && (insert < 0 || !blank(text[insert:begin])) {
					return true // SELECT … INTO
				}
			}
			continue
		}
		i++
		switch c {
		case ';':
			if found == nil && beginsStatement(text[i:]) {
				return true
			}
		case '-':
			dashes = dashes || i < len(text) && text[i] == '-'
		case '"':
			if i >= 3 && text[i-2] == '&' && lower[text[i-3]] == 'u' {
				return true // U&"\0064…": any name at all
			}
			if len(n.wordless) > 0 {
				if found == nil {
					return true
				}
				note(found, n.wordless)
			}
		case 0:
			return false
		}
	}
	return false
}

// What a word is to scan.
const (
	nothing = iota
	matters
	wordInsert
	wordInto
)

// word judges one word of a length that is of interest.
func (n *Names) word(w []byte, wide bool, found map[string]bool) int {
	var buf [maxIdentifier]byte
	low := buf[:min(len(w), len(buf))]
	for i := range low {
		low[i] = lower[w[i]]
	}
	if wide {
		ascii := 0
		for ascii < len(low) && low[ascii] < 0x80 {
			ascii++
		}
		return hit(n.wide[string(low[:ascii])], found)
	}
	if len(w) <= maxIdentifier {
		if found == nil {
			switch string(low) {
			case "delete", "search_path", "set_config", "pg_settings":
				return matters
			}
		}
		what := hit(n.words[string(low)], found)
		if what == nothing && found == nil {
			switch string(low) {
			case "insert":
				return wordInsert
			case "into":
				return wordInto
			}
		}
		return what
	}
	for l := minCut; l <= maxIdentifier; l++ {
		if hit(n.words[string(low[:l])], found) == matters {
			return matters
		}
	}
	return nothing
}

func hit(names []string, found map[string]bool) int {
	if len(names) == 0 {
		return nothing
	}
	if found == nil {
		return matters
	}
	note(found, names)
	return nothing
}

func note(found map[string]bool, names []string) {
	for _, name := range names {
		found[name] = true
	}
}

// keywordSizes is where every Names' sizes begin.
var keywordSizes = func() (sizes [256]uint64) {
	for _, w := range []string{"delete", "search_path", "set_config", "pg_settings", "insert", "into"} {
		noteSize(&sizes, w)
	}
	return
}()

// opens reports whether text ends, but for white space, where a statement may begin.
func opens(text []byte) bool {
	i := len(text)
	for i > 0 && isSpace(text[i-1]) {
		i--
	}
	return i > 0 && (text[i-1] == '(' || text[i-1] == ';')
}

func blank(text []byte) bool {
	for _, c := range text {
		if !isSpace(c) {
			return false
		}
	}
	return true
}
