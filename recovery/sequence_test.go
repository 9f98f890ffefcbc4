package recovery

import (
	"context"
	"testing"
)

// A sequence may feed a column of a domain.
func TestSequence_OfADomain(t *testing.T) {
	l := newLab(t, `CREATE DOMAIN pos AS int CHECK (VALUE > 0); CREATE DOMAIN id AS pos; CREATE SEQUENCE s; CREATE TABLE u (id id PRIMARY KEY DEFAULT nextval('s')); ALTER SEQUENCE s OWNED BY u.id; INSERT INTO u SELECT FROM generate_series(1, 20)`).backup()
	l.restore(l.options(l.incident("TRUNCATE u RESTART IDENTITY")))
	if n, err := l.side(l.production).number(context.Background(), "SELECT nextval('s')"); n != 21 {
		t.Errorf("the next value is %d, %v", n, err)
	}
}
