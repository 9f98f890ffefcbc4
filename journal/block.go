package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A block is a run of rows. Raw, a row is: table index, number of values, and
// for each value its length plus one, then its bytes; zero is NULL. All numbers
// are unsigned varints. Packed, a block is one byte for the codec and the
// bytes, compressed where that pays, with a check sum: a byte that changes on the disk
// must not name another row.
const (
	codecRaw  = 0 // without a check sum: not written any more
	codecZstd = 1 // has its own
	codecSum  = 2 // raw, behind its CRC-32C in four bytes, big-endian

	packFrom = 256 // smaller blocks stay raw
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errBadBlock = errors.New("journal: a block of keys is damaged")

// The codecs are stateless between calls and safe for concurrent use; each
// keeps buffers, so the process has one of each.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(blockSize), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true))
		if err != nil {
			panic(err) // only for options that contradict each other
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(blockSize+2*maxRow), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// pack returns raw in its stored form, in memory of its own.
func pack(raw []byte) []byte {
	if len(raw) >= packFrom {
		out := make([]byte, 1, len(raw)/2)
		out[0] = codecZstd
		if out = encoder().EncodeAll(raw, out); len(out) <= len(raw) {
			return out
		}
	}
	out := make([]byte, 1, 5+len(raw))
	out[0] = codecSum
	out = binary.BigEndian.AppendUint32(out, crc32.Checksum(raw, castagnoli))
	return append(out, raw...)
}

// unpack is the inverse of pack. The result may share memory with packed.
func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, errBadBlock
	}
	switch packed[0] {
	case codecRaw:
		return packed[1:], nil
	case codecSum:
		if len(packed) < 5 || binary.BigEndian.Uint32(packed[1:]) != crc32.Checksum(packed[5:], castagnoli) {
			return nil, errBadBlock
		}
		return packed[5:], nil
	case codecZstd:
		raw, err := decoder().DecodeAll(packed[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBadBlock, err)
		}
		return raw, nil
	}
	return nil, fmt.Errorf("%w, or was written by a newer rowback: unknown codec %d", errBadBlock, packed[0])
}

// size is an upper bound of the row's raw length.
func (r Row) size() int {
	n := 2 * binary.MaxVarintLen64
	for _, v := range r.Values {
		n += binary.MaxVarintLen32
		if v != nil {
			n += len(*v)
		}
	}
	return n
}

func appendRow(b []byte, r Row) []byte {
	b = binary.AppendUvarint(b, uint64(r.Table))
	b = binary.AppendUvarint(b, uint64(len(r.Values)))
	for _, v := range r.Values {
		if v == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(*v))+1)
		b = append(b, *v...)
	}
	return b
}

// rawRows yields the rows of a raw block. Their values share one copy of it.
func rawRows(raw []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		text := string(raw)
		for at := 0; at < len(text); {
			row, n := readRow(text[at:])
			if n == 0 {
				yield(Row{}, errBadBlock)
				return
			}
			if !yield(row, nil) {
				return
			}
			at += n
		}
	}
}

// readRow decodes the first row of text and returns its length, 0 if it is damaged.
func readRow(text string) (Row, int) {
	at := 0
	number := func() (uint64, bool) {
		v, n := uvarint(text[at:])
		at += max(n, 0)
		return v, n > 0
	}
	table, ok1 := number()
	count, ok2 := number()
	if !ok1 || !ok2 || table > 1<<31 || count > uint64(len(text)-at) {
		return Row{}, 0
	}
	row := Row{Table: int(table), Values: make([]*string, count)}
	values := make([]string, count)
	for i := range values {
		length, ok := number()
		if !ok || (length > 0 && length-1 > uint64(len(text)-at)) {
			return Row{}, 0
		}
		if length == 0 {
			continue
		}
		values[i] = text[at : at+int(length)-1]
		row.Values[i] = &values[i]
		at += int(length) - 1
	}
	return row, at
}

// uvarint is binary.Uvarint of a string.
func uvarint(s string) (v uint64, n int) {
	for i := range min(len(s), binary.MaxVarintLen64) {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
