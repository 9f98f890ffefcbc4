package sqlparse

import pg "github.com/pganalyze/pg_query_go/v5"

// maxDepth bounds how deep a text may nest. pg_query recurses without a check
// while it hands over its tree, and a stack overflow in C ends the process: on
// 8 MiB that happens beyond 20,000 levels. (A tree beyond some 5,000 is refused
// by the protobuf decoder in any case.)
const maxDepth = 10_000

// level is what is open at one pair of parentheses (or CASE … END).
type level struct {
	chain   int  // set operations and joins: they nest to the left across commas
	item    int  // tokens since the last separator: none of them nests deeper than their number
	between bool // BETWEEN … AND in this item: its AND separates nothing
}

// tooDeep reports whether the text might nest deeper than maxDepth. It counts
// tokens that could nest; lists (commas, AND, OR) are flat in the tree.
func tooDeep(text string) bool {
	if len(text) < maxDepth {
		return false // no token is shorter than a byte
	}
	scan, err := pg.Scan(text)
	if err != nil {
		return false // then it does not parse either, and fails before any tree is built
	}
	levels := []level{{}}
	depth := 0
	for _, t := range scan.Tokens {
		top := &levels[len(levels)-1]
		reset := func() { depth -= top.item; top.item, top.between = 0, false }
		switch t.Token {
		case pg.Token_SQL_COMMENT, pg.Token_C_COMMENT:
			continue
		case pg.Token_ASCII_40, pg.Token_ASCII_91, pg.Token_CASE:
			top.item++
			depth++
			levels = append(levels, level{})
		case pg.Token_ASCII_41, pg.Token_ASCII_93, pg.Token_END_P:
			if len(levels) > 1 {
				depth -= top.item + top.chain
				levels = levels[:len(levels)-1]
			}
		case pg.Token_ASCII_59:
			levels, depth = []level{{}}, 0
		case pg.Token_ASCII_44, pg.Token_OR, pg.Token_WHEN:
			reset()
		case pg.Token_AND:
			if !top.between {
				reset()
			}
		case pg.Token_UNION, pg.Token_INTERSECT, pg.Token_EXCEPT, pg.Token_JOIN:
			top.chain++
			depth++
		case pg.Token_BETWEEN:
			top.between = true
			fallthrough
		default:
			top.item++
			depth++
		}
		if depth > maxDepth {
			return true
		}
	}
	return false
}
