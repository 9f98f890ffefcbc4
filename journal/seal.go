package journal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// KeySize is the length of a key that images are encrypted with, in bytes.
const KeySize = 32

// ErrSealed: the images are encrypted, and not with the key that is given.
var ErrSealed = errors.New("images of rows are encrypted")

const giveKey = "name the file that holds it with --journal-key (journal-key in the configuration file), or put the key itself into ROWBACK_JOURNAL_KEY"

// ParseKey reads a key: 32 bytes in hex or base64. The error does not repeat it.
func ParseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := decode(text); err == nil && len(key) == KeySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("a journal key is %d bytes in hex or base64; `openssl rand -hex %[1]d` makes one", KeySize)
}

// ReadKey reads a key from a file.
func ReadKey(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("journal key: %w", err)
	}
	key, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// keyName tells keys apart and says nothing of them; "" without a key.
func keyName(key []byte) string {
	if key == nil {
		return ""
	}
	return hex.EncodeToString(derived(key, nil, "rowback journal key name")[:6])
}

func derived(key, salt []byte, what string) []byte {
	out, err := hkdf.Key(sha256.New, key, salt, what, KeySize)
	if err != nil {
		panic(err) // only for lengths that are too large
	}
	return out
}

// seal encrypts the images of one gathering: AES-256-GCM, under a key of its own
// that comes from the journal's key and set, with random nonces: a block that was
// reopened by a rewind is sealed a second time under the same number.
type seal struct {
	name string // of the journal's key
	set  []byte
	aead cipher.AEAD
}

// newSeal makes the seal of a set; set nil: of a new one.
func newSeal(key, set []byte) *seal {
	if set == nil {
		set = make([]byte, 16)
		_, _ = rand.Read(set) // never fails
	}
	block, err := aes.NewCipher(derived(key, set, "rowback journal images"))
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return &seal{keyName(key), set, aead}
		}
	}
	panic(err) // only for keys of another length
}

// block seals a block; its number is part of what is proved.
func (s *seal) block(no int, data []byte) []byte { return s.aead.Seal(nil, nil, data, s.about(no)) }

func (s *seal) open(no int, data []byte) ([]byte, error) {
	out, err := s.aead.Open(nil, nil, data, s.about(no))
	if err != nil {
		return nil, errBadBlock
	}
	return out, nil
}

func (s *seal) about(no int) []byte {
	return binary.BigEndian.AppendUint64(append([]byte("block"), s.set...), uint64(no))
}

// bond ties the set to its entry, and to how much there is of it: a set that was
// moved to another entry, or cut short, does not fit.
func (s *seal) bond(id string, rows, blocks int64) []byte {
	return s.aead.Seal(nil, nil, nil, s.bondText(id, rows, blocks))
}

func (s *seal) holds(bond []byte, id string, rows, blocks int64) bool {
	_, err := s.aead.Open(nil, nil, bond, s.bondText(id, rows, blocks))
	return err == nil
}

func (s *seal) bondText(id string, rows, blocks int64) []byte {
	return fmt.Appendf(nil, "entry %s %d %d ", id, rows, blocks)
}
