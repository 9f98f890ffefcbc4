package sqlparse

// KeyExpr is an expression for an identity column's value as Capture returns
// it: text that PostgreSQL casts back in any session; with hex, the hex of its
// UTF-8. qualifier is the table's alias as SQL. Errors: ErrKeyType.
func KeyExpr(qualifier string, k KeyColumn, hex bool) (string, error) {
	text, err := keyText(qualifier+"."+quoteIdent(k.Name), k.Type)
	if err != nil || !hex {
		return text, err
	}
	return hexText(text), nil
}

func hexText(text string) string {
	return "pg_catalog.encode(pg_catalog.convert_to(" + text + ", 'UTF8'), 'hex')"
}

// ValueExpr is KeyExpr for a value of that type (see KeyColumn) as SQL.
func ValueExpr(value, typ string) (string, error) { return keyText(value, typ) }
