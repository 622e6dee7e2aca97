package unzip

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/millrace/millrace/modules/fault"
)

const (
	maxEntries   = 1_000_000
	maxDirectory = 64 << 20 // bytes: a quarter of a million names of 200 bytes
	maxComment   = 1<<16 - 1
)

// Records of a ZIP archive: lengths and signatures of APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16.
const (
	endLength, end64Length, locatorLength, entryLength, localLength = 22, 56, 20, 46, 30

	endSignature, end64Signature, locatorSignature, entrySignature, localSignature = 0x06054b50, 0x06064b50, 0x07064b50, 0x02014b50, 0x04034b50
)

// refuse is an archive that will never be unpacked.
func refuse(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}

// damaged is an archive that breaks the format's rules.
func damaged(format string, args ...any) error {
	return refuse("the archive is damaged: "+format+"; make it anew", args...)
}

// An end is the record that says where the directory lies.
type end struct {
	at      int64 // where the first record behind the directory begins
	records uint64
	size    uint64 // of the directory, bytes
	offset  uint64 // of the directory, from where the archive begins
}

// directory returns the bytes of an archive's directory, how many entries are in it, where it begins, and what lies before
// the archive in its file, a program that unpacks itself say.
func directory(r io.ReaderAt, size int64, most int) (dir []byte, records int, at, base int64, err error) {
	e, err := findEnd(r, size)
	if err != nil {
		return nil, 0, 0, 0, err
	}
	if e.records > uint64(most) {
		return nil, 0, 0, 0, refuse("the archive holds %d files, more than the %d that are admitted (config.maxFiles)", e.records, most)
	}
	if e.size > maxDirectory {
		return nil, 0, 0, 0, refuse("the archive's directory is %d MiB long, more than the %d MiB that are read", e.size>>20, maxDirectory>>20)
	}
	at = e.at - int64(e.size)
	if at < 0 || e.offset > uint64(at) || e.records*entryLength > e.size {
		return nil, 0, 0, 0, damaged("its directory is not where it says")
	}
	dir = make([]byte, e.size)
	if _, err := r.ReadAt(dir, at); err != nil {
		return nil, 0, 0, 0, fmt.Errorf("read the archive's directory: %w", err)
	}
	return dir, int(e.records), at, at - int64(e.offset), nil
}

// findEnd finds the end record, which a comment of up to 64 KiB may follow.
func findEnd(r io.ReaderAt, size int64) (end, error) {
	tail := make([]byte, min(size, endLength+maxComment))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return end{}, fmt.Errorf("read the archive's end: %w", err)
	}
	le := binary.LittleEndian
	for i := len(tail) - endLength; i >= 0; i-- {
		b := tail[i:]
		if le.Uint32(b) != endSignature || int(le.Uint16(b[20:]))+endLength > len(b) {
			continue
		}
		if le.Uint16(b[4:]) != le.Uint16(b[6:]) || le.Uint16(b[4:]) != 0 && le.Uint16(b[4:]) != 1<<16-1 {
			return end{}, refuse("the archive is one part of several; join them to one")
		}
		e := end{
			at:      size - int64(len(tail)) + int64(i),
			records: uint64(le.Uint16(b[10:])), size: uint64(le.Uint32(b[12:])), offset: uint64(le.Uint32(b[16:])),
		}
		return findEnd64(r, e)
	}
	return end{}, noArchive(r)
}

// findEnd64 reads the end record that archives have which are too large for the old one, where there is one: Info-ZIP
// writes it for smaller ones too, and leaves good numbers in the old one.
func findEnd64(r io.ReaderAt, old end) (end, error) {
	var locator [locatorLength]byte
	le := binary.LittleEndian
	if old.at < locatorLength {
		return old, nil
	}
	if _, err := r.ReadAt(locator[:], old.at-locatorLength); err != nil {
		return end{}, fmt.Errorf("read the archive's end: %w", err)
	}
	if le.Uint32(locator[:]) != locatorSignature {
		return old, nil
	}
	at := le.Uint64(locator[8:])
	if at > uint64(old.at-locatorLength) || uint64(old.at-locatorLength)-at < end64Length {
		return end{}, damaged("its end is not where it says")
	}
	var b [end64Length]byte
	if _, err := r.ReadAt(b[:], int64(at)); err != nil {
		return end{}, fmt.Errorf("read the archive's end: %w", err)
	}
	if le.Uint32(b[:]) != end64Signature {
		return end{}, damaged("its end is not where it says")
	}
	return end{at: int64(at), records: le.Uint64(b[32:]), size: le.Uint64(b[40:]), offset: le.Uint64(b[48:])}, nil
}

// noArchive says what a file is that is no ZIP archive.
func noArchive(r io.ReaderAt) error {
	head := make([]byte, 264)
	n, _ := r.ReadAt(head, 0)
	for _, f := range []struct {
		at          int
		magic, name string
	}{
		{0, "PK\x03\x04", ""},
		{0, "\x1f\x8b", "a gzip file"},
		{257, "ustar", "a tar archive"},
		{0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
		{0, "Rar!", "a RAR archive"},
		{0, "BZh", "a bzip2 file"},
		{0, "\xfd7zXZ\x00", "an xz file"},
		{0, "\x28\xb5\x2f\xfd", "a Zstandard file"},
	} {
		if n < f.at || !bytes.HasPrefix(head[f.at:n], []byte(f.magic)) {
			continue
		}
		if f.name == "" {
			return damaged("its end is missing, so it was cut off")
		}
		return refuse("it is %s, and only ZIP archives are unpacked; pack it as ZIP", f.name)
	}
	return refuse("it is no ZIP archive; check the path and what wrote the file")
}

// An entry is one file or folder of an archive, as its directory has it.
type entry struct {
	name         string // clean
	raw          []byte // as it is written
	folder       bool
	flags        uint16
	method       uint16
	crc          uint32
	packed, size int64
	header       int64 // where its own header begins
	data         int64 // where its bytes begin; 0 until locate
}

// next reads the first entry of a directory and returns the rest of it.
func next(dir []byte, base int64) (e entry, rest []byte, err error) {
	le := binary.LittleEndian
	if len(dir) < entryLength || le.Uint32(dir) != entrySignature {
		return entry{}, nil, damaged("its directory breaks off")
	}
	nameEnd := entryLength + int(le.Uint16(dir[28:]))
	extraEnd := nameEnd + int(le.Uint16(dir[30:]))
	commentEnd := extraEnd + int(le.Uint16(dir[32:]))
	if commentEnd > len(dir) {
		return entry{}, nil, damaged("its directory breaks off")
	}
	e = entry{raw: dir[entryLength:nameEnd], flags: le.Uint16(dir[8:]), method: le.Uint16(dir[10:]), crc: le.Uint32(dir[16:])}
	shown := text(e.raw, e.flags&utf8Flag != 0)
	packed, size, header := uint64(le.Uint32(dir[20:])), uint64(le.Uint32(dir[24:])), uint64(le.Uint32(dir[42:]))
	for id, field := range extras(dir[nameEnd:extraEnd]) {
		switch {
		case id == zip64Extra:
			for _, v := range []*uint64{&size, &packed, &header} {
				if *v == 1<<32-1 && len(field) >= 8 {
					*v, field = le.Uint64(field), field[8:]
				}
			}
		case id == unicodeExtra && len(field) > 5 && field[0] == 1 && le.Uint32(field[1:]) == crc32.ChecksumIEEE(e.raw):
			shown = string(field[5:])
		}
	}
	var what string
	if e.name, e.folder, what = clean(shown); what != "" {
		return entry{}, nil, refuse("the name %.200q in the archive %s; nothing of it is unpacked", shown, what)
	}
	if packed > 1<<62 || size > 1<<62 || header > 1<<62 {
		return entry{}, nil, damaged("the sizes of %q can't be", e.name)
	}
	e.packed, e.size, e.header = int64(packed), int64(size), base+int64(header)
	return e, dir[commentEnd:], e.judge(dir[5], le.Uint32(dir[38:]))
}

const (
	encryptedFlag, descriptorFlag, utf8Flag = 1, 8, 1 << 11

	zip64Extra, unicodeExtra = 0x0001, 0x7075

	stored, deflated = 0, 8
)

// extras yields the extra fields of an entry by their identifier.
func extras(b []byte) func(yield func(uint16, []byte) bool) {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			id, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
			if b = b[4:]; n > len(b) || !yield(id, b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}
