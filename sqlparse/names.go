package sqlparse

import (
	"maps"
	"slices"
	"strings"
)

// Names is a set of relation and routine names to look for in query texts:
// those that may delete when called, read or written. Immutable; safe for
// concurrent use. A nil *Names holds none.
//
// A name is found by one of its words, case-insensitively and wherever it
// stands (a string or a comment too): a match says "may mention", no match says
// "does not".
type Names struct {
	// words are the names' words, ASCII lower-cased, with the names each stands for.
	words map[string][]string
	// wide are the names with bytes beyond ASCII, by the ASCII word they begin
	// with: how such bytes are written depends on the client's encoding, and how
	// they fold on the server's locale.
	wide map[string][]string
	// sizes has, by a word's first byte, a bit for each length a word of
	// interest has, keywords included. Bit 63 stands for all longer ones.
	sizes [256]uint64
	// wordless are the names without any word (" ", "1"): any quoted identifier
	// may be one.
	wordless []string
	// cut are names so long that the text may have had more of the only word.
	cut []string
	all []string
}

// maxIdentifier is NAMEDATALEN - 1; the server cuts longer identifiers, at a
// character's end, so to no less than minCut bytes.
const (
	maxIdentifier = 63
	minCut        = maxIdentifier - 3
)

// NewNames takes the keys of a map of unqualified names, as in the catalog or
// with ASCII letters lower-cased.
func NewNames[V any](names map[string]V) *Names {
	n := &Names{words: map[string][]string{}, wide: map[string][]string{}, sizes: keywordSizes}
	n.all = slices.Sorted(maps.Keys(names))
	for _, name := range n.all {
		n.add(name)
	}
	return n
}

func (n *Names) add(name string) {
	if i := strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }); i >= 0 {
		start := i
		for start > 0 && isWord[name[start-1]] {
			start--
		}
		prefix := strings.TrimLeft(lowerASCII(name[start:i]), "0123456789")
		n.wide[prefix] = append(n.wide[prefix], name)
		return
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return !isWord[byte(r)] })
	for i := range words {
		words[i] = strings.TrimLeft(lowerASCII(words[i]), "0123456789")
	}
	if len(name) >= minCut && (len(words) > 1 || len(words) == 1 && len(words[0]) < len(name)) {
		// The last word may be cut short.
		words = words[:len(words)-1]
		if strings.Join(words, "") == "" {
			n.cut = append(n.cut, name)
			return
		}
	}
	longest := ""
	for _, w := range words {
		if len(w) > len(longest) {
			longest = w
		}
	}
	if longest == "" {
		n.wordless = append(n.wordless, name)
		return
	}
	n.words[longest] = append(n.words[longest], name)
	noteSize(&n.sizes, longest)
}

func noteSize(sizes *[256]uint64, word string) {
	bit := min(len(word), 63)
	sizes[word[0]] |= 1 << bit
	if len(word) >= minCut {
		sizes[word[0]] |= 1 << 63 // what is written longer is cut to this
	}
}

// isWord are the bytes of a word after its first; isStart those it begins
// with. A dollar sign ends a word, so that none hides behind a dollar quote.
var isWord, isStart, lower = func() (word, start [256]bool, low [256]byte) {
	for c := range 256 {
		low[c] = byte(c)
		if c >= 'A' && c <= 'Z' {
			low[c] += 'a' - 'A'
		}
		start[c] = c == '_' || c >= 0x80 || low[c] >= 'a' && low[c] <= 'z'
		word[c] = start[c] || c >= '0' && c <= '9'
	}
	return
}()

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower[c]
	}
	return string(b)
}
