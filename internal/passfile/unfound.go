package passfile

import (
	"errors"
	"os"

	"github.com/jackc/pgx/v5/pgconn"
)

// Unfound is what to say of a connection that was refused for want of a password (and
// why the file that PGPASSFILE names gave none, if it cannot be read); "" of any other.
func Unfound(err error) string {
	var connect *pgconn.ConnectError
	var answer *pgconn.PgError
	if !errors.As(err, &connect) || !errors.As(err, &answer) || answer.Code != "28P01" || connect.Config.Password != "" { // invalid_password
		return ""
	}
	const unfound = "no password was found for it"
	if path := os.Getenv("PGPASSFILE"); path != "" {
		f, err := os.Open(path)
		if err != nil {
			return unfound + " (" + err.Error() + ")"
		}
		_ = f.Close() // nothing was written
	}
	return unfound
}
