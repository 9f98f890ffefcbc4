package recovery

import (
	"context"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestConnect_SaysEveryReasonOnceAndTheServersFirst(t *testing.T) {
	port := pgtest.Shared(t).URL("no_such_database")
	port = port[strings.LastIndexByte(port, ':')+1 : strings.LastIndexByte(port, '/')]
	_, err := connect(context.Background(), "recovery", "postgres://postgres@127.0.0.1:1,127.0.0.1:"+port+"/no_such_database", "")
	if err == nil {
		t.Fatal("connected")
	}
	said := err.Error()
	if !strings.Contains(said, `recovery database: database "no_such_database" does not exist; dial tcp 127.0.0.1:1`) {
		t.Error(said)
	}
	for _, once := range []string{"does not exist", "refused"} {
		if strings.Count(said, once) != 1 {
			t.Errorf("%q is not said once: %s", once, said)
		}
	}
}
