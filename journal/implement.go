package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// What follows is for implementations of Journal: what is stored looks the same
// and is refused alike whatever it is stored in.

// Noun is what a kind of thing in the journal is called.
type Noun struct{ one, many string }

var (
	AnEntry     = Noun{"journal entry", "journal entries"}
	AnAllowance = Noun{"allowance", "allowances"}
	AHold       = Noun{"hold", "holds"}
)

// Lookup finds the one thing with this ID or unique prefix. read returns what has
// the ID, or with prefix what starts with it (as Filter.ID does), in order of
// their IDs and no more than two. Errors: ErrNotFound, ErrAmbiguous, and read's.
func Lookup[T any](n Noun, id string, idOf func(T) string, read func(prefix bool) ([]T, error)) (T, error) {
	var none T
	found, err := read(false)
	if err == nil && len(found) == 0 && id != "" {
		found, err = read(true)
	}
	switch {
	case err != nil:
		return none, err
	case len(found) == 0:
		return none, NotFound(n, id)
	case len(found) > 1:
		return none, &lookupError{ErrAmbiguous, fmt.Sprintf("several %s start with this ID: %q, among them %s and %s",
			n.many, id, idOf(found[0]), idOf(found[1]))}
	}
	return found[0], nil
}

// NotFound is ErrNotFound in words that fit the thing.
func NotFound(n Noun, id string) error { return notFound(n, id) }

// Exists is ErrExists in words that fit the thing.
func Exists(n Noun, id string) error { return exists(n, id) }

// CanonicalID undoes how people type an ID: in lower case, O for 0, I or L for 1.
func CanonicalID(typed string) string { return canonicalID(typed) }

// EncodeEntry is the body of an entry as it is stored, and how many keys go with
// it; an error if it may not be stored, in a journal with this key for images (nil: none).
func EncodeEntry(e *Entry, keys *Keys, key []byte) (body []byte, count int64, err error) {
	if e.ID == "" || e.Time.IsZero() {
		return nil, 0, errors.New("journal: an entry needs an ID and a time")
	}
	if keys != nil {
		count = keys.Len()
		if keys.highest >= len(e.Tables) {
			return nil, 0, fmt.Errorf("journal: keys of table %d, but the entry has %d", keys.highest, len(e.Tables))
		}
		if err := fits(e, keys, key); err != nil {
			return nil, 0, err
		}
	}
	stored := *e
	stored.Time = e.Time.UTC()
	body, err = encode(stored)
	return body, count, err
}

// DecodeEntry reads a stored body. The outcome is the one that was settled since.
func DecodeEntry(id string, body []byte, outcome Outcome) (*Entry, error) {
	e := new(Entry)
	if err := decode(body, e); err != nil {
		return nil, fmt.Errorf("%w: entry %s: %w", ErrDamaged, id, err)
	}
	if e.ID != id {
		return nil, fmt.Errorf("%w: entry %s is stored as %s", ErrDamaged, e.ID, id)
	}
	if err := CheckOutcome(outcome); err != nil {
		return nil, fmt.Errorf("%w: entry %s: %w", ErrDamaged, id, err)
	}
	e.Outcome = outcome
	// Empty lists stay lists in JSON.
	if e.Statements == nil {
		e.Statements = []Statement{}
	}
	if e.Tables == nil {
		e.Tables = []Table{}
	}
	return e, nil
}

// EncodePrepared is the stored body of an entry with another server; see Journal.Prepared.
func EncodePrepared(id string, body []byte, s Server) ([]byte, error) {
	e, err := DecodeEntry(id, body, InDoubt)
	if err != nil {
		return nil, err
	}
	e.Server = s
	return encode(e)
}

// Settled is ErrSettled, of an entry whose transaction has ended.
func Settled(id string, is Outcome) error { return fmt.Errorf("%w: %s is %s", ErrSettled, id, is) }

// Block is a run of keys as it is stored.
type Block struct {
	Data []byte // valid until the next block
	Rows int
}

// Blocks yields the keys as they are stored, in order; those of nil are none.
func (k *Keys) Blocks() iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		if k == nil {
			return
		}
		for data, info := range k.packed() {
			if !yield(Block{data, info.rows}, info.err) || info.err != nil {
				return
			}
		}
	}
}

// ReadRows yields the rows of an entry, of which count were stored, from its
// blocks: block reads the n-th, and says where there is none.
func ReadRows(e *Entry, count int64, block func(n int) ([]byte, error)) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		left := count
		for n := 0; left > 0; n++ {
			packed, err := block(n)
			var raw []byte
			if err == nil {
				raw, err = unpack(packed)
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			for row, bad := range rawRows(raw) {
				if left--; left < 0 || row.Table >= len(e.Tables) {
					bad = errBadBlock
				}
				if bad != nil {
					yield(Row{}, fmt.Errorf("%w: entry %s, block %d", bad, e.ID, n))
					return
				}
				if !yield(row, nil) {
					return
				}
			}
		}
	}
}

// LacksBlock is the error where a block is not there.
func LacksBlock(id string, n int) error {
	return fmt.Errorf("%w: entry %s lacks block %d of its keys", ErrDamaged, id, n)
}

// IsDamage reports whether an error says that something stored is not what was written.
func IsDamage(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, errBadBlock) || errors.Is(err, errBadImage)
}

// CheckOutcome refuses what is no outcome.
func CheckOutcome(o Outcome) error {
	switch o {
	case Committed, RolledBack, Blocked, InDoubt:
		return nil
	}
	return fmt.Errorf("journal: %q is no outcome", o)
}

// EncodeAllowance is the body of an allowance as it is granted; an error if it may not be.
func EncodeAllowance(a *Allowance) ([]byte, error) {
	switch err := errors.Join(validTime("an allowance", a.Time), validTime("an allowance's end", a.Expires)); {
	case a.ID == "":
		return nil, errors.New("journal: an allowance needs an ID")
	case a.Rows <= 0:
		return nil, errors.New("journal: an allowance needs a number of rows above zero")
	case err != nil:
		return nil, err
	}
	fresh := *a
	fresh.Time, fresh.Expires = a.Time.UTC(), a.Expires.UTC()
	fresh.Revoked, fresh.RevokedBy, fresh.Uses = time.Time{}, "", nil
	return encode(fresh)
}

// EncodeRevoked is the body of an allowance that is revoked now, and the allowance.
func EncodeRevoked(a Allowance, by string, at time.Time) ([]byte, Allowance, error) {
	if err := validTime("a revocation", at); err != nil {
		return nil, a, err
	}
	a.Revoked, a.RevokedBy = at.UTC(), by
	stored := a
	stored.Uses = nil
	body, err := encode(stored)
	return body, a, err
}

// DecodeAllowance reads a stored body; uses is a JSON list of its uses, times in
// nanoseconds of Unix time.
func DecodeAllowance(id string, body, uses []byte) (Allowance, error) {
	var a Allowance
	var stored []struct {
		ID         string
		Time, Rows int64
	}
	if err := errors.Join(decode(body, &a), json.Unmarshal(uses, &stored)); err != nil {
		return a, fmt.Errorf("%w: allowance %s: %w", ErrDamaged, id, err)
	}
	a.Uses = make([]Use, len(stored))
	for i, u := range stored {
		a.Uses[i] = Use{ID: u.ID, Time: time.Unix(0, u.Time).UTC(), Rows: u.Rows}
	}
	return a, nil
}

// CheckUse refuses what is no use of an allowance.
func CheckUse(use string, rows int64, at time.Time) error {
	if use == "" || rows < 0 {
		return errors.New("journal: a use needs an ID and a number of rows not below zero")
	}
	return validTime("a use", at)
}

// Account is what decides whether an allowance can be used.
type Account struct {
	Expires, Rows  int64 // Expires in nanoseconds of Unix time
	Once, Revoked  bool
	Used, Uses     int64 // by all transactions: rows, and how many
	Mine, MineUses int64 // of these, by the one that asks: rows, and 1 or 0
}

// Refuses says why rows cannot be used at a time; nil: they can.
func (a *Account) Refuses(id string, rows int64, at time.Time) error {
	left := a.Rows - (a.Used - a.Mine)
	switch {
	case a.Revoked:
		return fmt.Errorf("%w: %s was revoked", ErrSpent, id)
	case at.UnixNano() >= a.Expires:
		return fmt.Errorf("%w: %s expired at %s", ErrSpent, id, time.Unix(0, a.Expires).UTC().Format(time.RFC3339))
	case a.Once && a.Uses > a.MineUses:
		return fmt.Errorf("%w: %s was for one transaction, and another one has used it", ErrSpent, id)
	case rows > left:
		return &TooFewError{ID: id, Left: left, Rows: a.Rows, Needed: rows}
	}
	return nil
}

// EncodeHold is the body of a hold that begins to wait; an error if it may not.
func EncodeHold(h *Hold) ([]byte, error) {
	switch err := errors.Join(validTime("a hold", h.Time), validTime("a hold's end", h.Expires)); {
	case h.ID == "":
		return nil, errors.New("journal: a hold needs an ID")
	case err != nil:
		return nil, err
	}
	fresh := *h
	fresh.Time, fresh.Expires = h.Time.UTC(), h.Expires.UTC()
	fresh.State, fresh.By, fresh.Reason, fresh.Decided = Waiting, "", "", time.Time{}
	return encode(fresh)
}

// DecodeHold reads a stored body.
func DecodeHold(id string, body []byte) (Hold, error) {
	var h Hold
	if err := decode(body, &h); err != nil {
		return h, fmt.Errorf("%w: hold %s: %w", ErrDamaged, id, err)
	}
	return h, nil
}

// CheckDecision refuses what is no decision.
func CheckDecision(state HoldState, at time.Time) error {
	switch state {
	case Granted, Denied, Expired, Left:
		return validTime("a decision", at)
	}
	return fmt.Errorf("journal: %q is no decision", state)
}

// Decide is the hold after a decision (see Approvals.Decide), and its body to
// store; nil: it stays as it is. The error is ErrDecided, or the encoding's.
func (h Hold) Decide(state HoldState, by, reason string, at time.Time) (Hold, []byte, error) {
	if h.State != Waiting {
		return h, nil, fmt.Errorf("%w: %s is %s", ErrDecided, h.ID, h.State)
	}
	var refusal error
	h.State, h.By, h.Reason, h.Decided = state, by, reason, at.UTC()
	if (state == Granted || state == Denied) && !at.Before(h.Expires) {
		h.State, h.By, h.Reason, h.Decided = Expired, "", "", h.Expires
		refusal = fmt.Errorf("%w: %s expired at %s", ErrDecided, h.ID, h.Expires.Format(time.RFC3339))
	}
	body, err := encode(h)
	if err != nil {
		return h, nil, err
	}
	return h, body, refusal
}
