package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Image is a whole row as it was when it went: the index of its table in
// Entry.Tables, and the columns of that table's Columns in the form that
// PostgreSQL's record_send gives them: the number of columns; of each its type's
// OID, its length or -1 for NULL, and its bytes. All numbers are int32 in network
// order. Table.Columns says what the bytes are: the type's binary form with text in
// UTF-8, or text in UTF-8.
type Image struct {
	Table int
	Data  []byte
}

// Field is one column of an image. Value is nil for NULL; it shares memory with the image.
type Field struct {
	OID   uint32
	Value []byte
}

// maxImage bounds one image: no message of the protocol holds more.
const maxImage = 1 << 30

var errBadImage = errors.New("journal: the image of a row is damaged")

// Fields takes an image apart.
func (i Image) Fields() ([]Field, error) {
	b := i.Data
	if len(b) < 4 {
		return nil, errBadImage
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b))/8 {
		return nil, errBadImage
	}
	out := make([]Field, n)
	for f := range out {
		if len(b) < 8 {
			return nil, errBadImage
		}
		out[f].OID = binary.BigEndian.Uint32(b)
		length := int32(binary.BigEndian.Uint32(b[4:]))
		if b = b[8:]; length < 0 {
			continue
		}
		if int(length) > len(b) {
			return nil, errBadImage
		}
		out[f].Value, b = b[:length:length], b[length:]
	}
	if len(b) > 0 {
		return nil, errBadImage
	}
	return out, nil
}

// AddImage appends one image; it is copied. After an error nothing of it is held
// and AddImage may be tried again.
func (k *Keys) AddImage(i Image) error {
	if len(i.Data) > maxImage {
		return fmt.Errorf("journal: a row of %d bytes is too large, limit %d", len(i.Data), maxImage)
	}
	before := k.images.mark()
	head := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(i.Table)), uint64(len(i.Data)))
	for _, part := range [][]byte{head, i.Data} {
		if err := k.images.write(part); err != nil {
			return errors.Join(err, k.images.rewind(before))
		}
	}
	k.images.count++
	k.images.highest = max(k.images.highest, i.Table)
	return nil
}

// Images is the number of images held.
func (k *Keys) Images() int64 { return k.images.count }
