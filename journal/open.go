package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// Options of Open. The zero value is right for a command-line tool.
type Options struct {
	// Proxy is the instance ID of a proxy, the journal's main writer. When it is
	// not empty the journal is locked against other proxies for as long as it is open.
	Proxy string
	// Lock is that lock, as the proxy before this one gave it away (Locked.Lock): the
	// two write side by side until that one has ended, and no third may. nil: the
	// lock is taken. Open closes it.
	Lock *os.File
	// MustExist: do not create a journal where there is none; ErrNoJournal.
	MustExist bool
	// Reader: reading is enough. A journal that exists and may not be written is
	// opened all the same, and refuses to be written: ErrReadOnly. So does one of an
	// older format, which stays what it is.
	Reader bool
	// Key of KeySize bytes that images of rows are encrypted with, and read; nil:
	// they are not encrypted. Keys of rows never are.
	Key []byte
	// Logger gets what an operator should know; nil: nothing.
	Logger *slog.Logger
}

// Open opens the journal at location, a directory, and creates it (mode 0700)
// where there is none. ctx bounds the opening only. The caller closes it.
//
// Errors: ErrUnreadable, ErrInUse, ErrNoJournal, ErrNewer, ErrForeign, ErrDamaged, ErrShared
// and what the operating system says; every one names the mend.
func Open(ctx context.Context, location string, o Options) (Journal, error) {
	if o.Lock != nil {
		defer o.Lock.Close()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if strings.HasPrefix(location, "postgres://") || strings.HasPrefix(location, "postgresql://") {
		return nil, ErrShared
	}
	if o.Key != nil && len(o.Key) != KeySize {
		return nil, fmt.Errorf("journal: a key of %d bytes; it takes %d", len(o.Key), KeySize)
	}
	if location == "" {
		return nil, errors.New("journal: no location given; name a directory")
	}
	dir, err := filepath.Abs(location)
	if err != nil {
		return nil, err
	}
	if o.MustExist {
		switch _, err := os.Stat(filepath.Join(dir, fileName)); {
		case errors.Is(err, fs.ErrNotExist):
			return nil, noJournal(dir)
		case errors.Is(err, fs.ErrPermission):
			return nil, unreadable(dir, err)
		}
	}
	return openEmbedded(ctx, dir, o)
}
