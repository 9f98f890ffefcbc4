package backup

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Whatever stands in an address, it leads to the database asked for, or is refused:
// what is done there is not for the database that the address names.
func TestInto_NeverTheDatabaseThatTheAddressNames(t *testing.T) {
	for address, usable := range map[string]bool{
		"postgres://u:p@h/prod":                          true,
		"postgres://u@h/?dbname=prod":                    true,
		"postgresql://u@h/prod?sslmode=disable":          true,
		"host=h database=prod":                           true,
		"host=h dbname=prod password='a://b'":            true,
		"host=h dbname=prod application_name=its://name": true,
		`host=h dbname=prod password=x\`:                 false,
		"postgres://u@h/prod?":                           false,
	} {
		for _, name := range []string{"clone", `a "b" 'c' \d&e=f`} {
			out, err := Into(address, name)
			if usable != (err == nil) {
				t.Errorf("%s: %v", address, err)
			}
			if err != nil {
				continue
			}
			if c, err := pgconn.ParseConfig(out); err != nil || c.Database != name {
				t.Errorf("%s leads to %v (%v), want %s", address, c, err, name)
			}
		}
	}
}
