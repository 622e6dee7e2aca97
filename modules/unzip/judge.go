package unzip

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
)

// bombFloor is what an archive may unpack to, in bytes, however small it is.
const bombFloor = 64 << 20

// An archive is what a directory holds, all of it admitted.
type archive struct {
	entries []entry  // as the directory lists them; after locate, as they lie in the file
	folders []string // those too that only names of others imply, each behind the one it lies in
	start   int64    // of the directory
	files   int
	size    int64 // of all files
}

// disk is how much the archive takes when unpacked: files and folders take whole blocks.
func (a *archive) disk() int64 { return a.size + int64(a.files+len(a.folders))*4096 }

// read reads the directory of an archive of size bytes and refuses what is not admitted.
func read(ctx context.Context, r io.ReaderAt, size int64, most Config) (*archive, error) {
	dir, records, start, base, err := directory(r, size, most.MaxFiles)
	if err != nil {
		return nil, err
	}
	a := &archive{entries: make([]entry, 0, records), start: start}
	known := map[string]bool{}
	for range records {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var e entry
		if e, dir, err = next(dir, base); err != nil {
			return nil, err
		}
		if e.size > most.MaxSize-a.size {
			return nil, refuse("the archive unpacks to more than the %d MiB that are admitted (config.maxSize)", most.MaxSize>>20)
		}
		if bomb(e.size, e.packed, most) {
			return nil, refuse("%q unpacks to %d times its size, more than the %d times that are admitted (config.maxRatio)", e.name, e.size/max(e.packed, 1), most.MaxRatio)
		}
		a.size += e.size
		if !e.folder {
			a.files++
		}
		a.entries = append(a.entries, e)
		a.lies(e, known)
		if a.files+len(a.folders) > most.MaxFiles {
			return nil, refuse("the archive unpacks to more than the %d files and folders that are admitted (config.maxFiles)", most.MaxFiles)
		}
	}
	slices.Sort(a.folders)
	if bomb(a.size, size, most) {
		return nil, refuse("the archive unpacks to %d times its size, more than the %d times that are admitted (config.maxRatio)", a.size/max(size, 1), most.MaxRatio)
	}
	return a, a.distinct(ctx)
}

// lies adds the folders that an entry lies in, and itself where it is one, but those that are known.
func (a *archive) lies(e entry, known map[string]bool) {
	at := e.name
	if !e.folder {
		at = path.Dir(at)
	}
	for ; at != "." && at != "" && !known[at]; at = path.Dir(at) {
		known[at] = true
		a.folders = append(a.folders, at)
	}
}

func bomb(size, packed int64, most Config) bool {
	return size > bombFloor && size/most.MaxRatio > packed
}

// judge refuses what is neither a file nor a folder that can be unpacked. host is the system that the archive was made on,
// attributes are that system's.
func (e *entry) judge(host byte, attributes uint32) error {
	const unix, darwin = 3, 19
	kind := attributes >> 28 // of the mode of Unix
	switch {
	case host != unix && host != darwin:
		e.folder = e.folder || attributes&0x10 != 0
	case kind == 0o04:
		e.folder = true
	case kind == 0o12:
		return refuse("%q in the archive is a symbolic link; pack the file that it leads to", e.name)
	case kind != 0 && kind != 0o10:
		return refuse("%q in the archive is a device, a pipe or a socket; pack files alone", e.name)
	}
	switch {
	case e.folder && e.size > 0:
		return damaged("%q is a folder with content", e.name)
	case e.folder:
		return nil
	case e.flags&encryptedFlag != 0:
		return refuse("%q in the archive is encrypted; pack it without a password", e.name)
	case e.method != stored && e.method != deflated:
		return refuse("%q in the archive is packed by %s, which is not read; pack it with Deflate", e.name, methodName(e.method))
	case e.method == stored && e.packed != e.size:
		return damaged("the sizes of %q can't be", e.name)
	}
	return nil
}

func methodName(m uint16) string {
	names := map[uint16]string{1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 99: "AES encryption"}
	return cmp.Or(names[m], fmt.Sprintf("method %d", m))
}

// distinct refuses two files that some filesystem takes for one, and a file that is a folder elsewhere in the archive.
func (a *archive) distinct(ctx context.Context) error {
	files := make(map[string]string, a.files)
	for _, e := range a.entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.folder {
			continue
		}
		key := fold(e.name)
		if other, twice := files[key]; twice {
			return refuse("the archive holds both %q and %q, which are one file on some systems; rename one", other, e.name)
		}
		files[key] = e.name
	}
	for _, folder := range a.folders {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if file, both := files[fold(folder)]; both {
			return refuse("in the archive %q is a file and a folder; rename one", file)
		}
	}
	return nil
}

// locate finds where the bytes of each file begin. A file's own header must say what the directory says, and no two files may
// share bytes: that is how a small archive is made to hold a huge one.
func (a *archive) locate(ctx context.Context, r io.ReaderAt) error {
	slices.SortFunc(a.entries, func(x, y entry) int { return cmp.Compare(x.header, y.header) })
	before := int64(0)
	for i := range a.entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e := &a.entries[i]
		if e.header < before {
			return refuse("files of the archive overlap, at %q; nothing of it is unpacked", e.name)
		}
		if err := e.locate(r); err != nil {
			return err
		}
		if before = e.data + e.packed; before > a.start {
			return damaged("%q reaches beyond its end", e.name)
		}
	}
	return nil
}

func (e *entry) locate(r io.ReaderAt) error {
	b := make([]byte, localLength+len(e.raw))
	if _, err := r.ReadAt(b, e.header); err == io.EOF {
		return damaged("%q is not where it says", e.name)
	} else if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	le := binary.LittleEndian
	if le.Uint32(b) != localSignature {
		return damaged("%q is not where it says", e.name)
	}
	same := le.Uint16(b[8:]) == e.method && int(le.Uint16(b[26:])) == len(e.raw) && string(b[localLength:]) == string(e.raw) &&
		(le.Uint16(b[6:])^e.flags)&(encryptedFlag|utf8Flag) == 0
	if le.Uint16(b[6:])&descriptorFlag == 0 { // else the sizes follow the bytes, and may be 0 here
		packed, size := le.Uint32(b[18:]), le.Uint32(b[22:])
		same = same && le.Uint32(b[14:]) == e.crc &&
			(packed == 1<<32-1 || int64(packed) == e.packed) && (size == 1<<32-1 || int64(size) == e.size)
	}
	if !same {
		return refuse("the archive says two things of %q, one in its directory and one where the file is; make it anew", e.name)
	}
	e.data = e.header + localLength + int64(len(e.raw)) + int64(le.Uint16(b[28:]))
	return nil
}
