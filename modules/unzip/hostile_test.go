package unzip_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
)

var le = binary.LittleEndian

// F37: what an archive says of where its files go is a wish. Nothing of such an archive is unpacked.
func TestF37HostileNamesAndLinksAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		members []member
		want    string
	}{
		{"upwards", []member{{name: "../../evil"}}, `the name "../../evil" in the archive leads out of the folder; nothing of it is unpacked`},
		{"upwards in the middle", []member{{name: "a/../../evil"}}, "leads out of the folder"},
		{"upwards by Windows", []member{{name: `a\..\..\evil`}}, "leads out of the folder"},
		{"a folder upwards", []member{{name: "../"}}, "leads out of the folder"},
		{"absolute", []member{{name: "/etc/passwd"}}, "is an absolute path"},
		{"absolute by Windows", []member{{name: `\\server\share`}}, "is an absolute path"},
		{"a drive", []member{{name: `C:\evil`}}, "names a drive"},
		{"a line break", []member{{name: "a\nb"}}, "holds characters that can't be shown"},
		{"a NUL", []member{{name: "a\x00b"}}, "holds characters that can't be shown"},
		{"no UTF-8 under its mark", []member{{name: "a\xff", flags: 1 << 11}}, "holds characters that can't be shown"},
		{"hidden in an extra field", []member{{name: "good", extra: unicodeName("good", "../evil")}}, `the name "../evil" in the archive leads out`},
		{"a link", []member{{name: "link", content: "/etc", host: 3, mode: 0o120777}, {name: "link/passwd", content: "x"}}, `"link" in the archive is a symbolic link`},
		{"a link by macOS", []member{{name: "link", content: "/etc", host: 19, mode: 0o120777}}, "is a symbolic link"},
		{"a device", []member{{name: "null", host: 3, mode: 0o020666}}, "is a device, a pipe or a socket"},
		{"a pipe", []member{{name: "pipe", host: 3, mode: 0o010666}}, "is a device, a pipe or a socket"},
		{"one name twice", []member{{name: "a"}, {name: "a"}}, `holds both "a" and "a"`},
		{"one name twice, spelled otherwise", []member{{name: "a/b"}, {name: "a//./b"}}, `holds both "a/b" and "a/b"`},
		{"names of one case", []member{{name: "Read.me"}, {name: "rEAD.ME"}}, `holds both "Read.me" and "rEAD.ME", which are one file on some systems`},
		{"names of one spelling", []member{{name: "caf\u00e9"}, {name: "cafe\u0301"}}, `which are one file on some systems`},
		{"a file and a folder", []member{{name: "a"}, {name: "a/b"}}, `"a" is a file and a folder`},
		{"a file and a folder of one case", []member{{name: "B/c"}, {name: "b"}}, `"b" is a file and a folder`},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, forge(tt.members...), nil, tt.want) })
	}
}

// refused fails t unless an archive is refused for good with those words, and nothing of it is there.
func refused(t *testing.T, archive []byte, config map[string]any, want string) {
	t.Helper()
	c := packed(t, archive)
	beside, err := os.ReadDir(filepath.Dir(c.Workspace.Real()))
	require.NoError(t, err)
	_, err = unpack(t, c, config)
	require.ErrorContains(t, err, want)
	require.ErrorContains(t, err, "unpack a.zip: ")
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.Equal(t, []string{"a.zip"}, names(t, c))
	after, err := os.ReadDir(filepath.Dir(c.Workspace.Real()))
	require.NoError(t, err)
	require.Len(t, after, len(beside))
}

// F36: bombs. What is claimed is refused by the directory, what is not claimed by the count of what comes out.
func TestF36BombsAreRefused(t *testing.T) {
	packed := deflate(t, 1<<20)
	second := uint32(0)
	for _, tt := range []struct {
		name    string
		archive []byte
		config  map[string]any
		want    string
	}{
		{"one that grows too much", grows(251), nil, `"zeros" unpacks to 251 times its size, more than the 250 times that are admitted (config.maxRatio)`},
		{"one that grows more than the pipeline admits", grows(101), map[string]any{"maxRatio": 100}, `"zeros" unpacks to 101 times its size, more than the 100 times`},
		{"many small ones", grow(251), nil, "the archive unpacks to 251 times its size, more than the 250 times that are admitted (config.maxRatio)"},
		{"too large in all", forge(member{name: "a", content: "12345"}, member{name: "b", content: "12345"}), map[string]any{"maxSize": 9}, "unpacks to more than the 0 MiB that are admitted (config.maxSize)"},
		{"too many", standard(t, zip.Store, "a", "b", "c"), map[string]any{"maxFiles": 2}, "the archive holds 3 files, more than the 2"},
		{"too many folders that names imply", forge(member{name: "a/b/c/d"}, member{name: "a/b/e/f"}), map[string]any{"maxFiles": 5}, "the archive unpacks to more than the 5 files and folders that are admitted (config.maxFiles)"},
		{"more than it says", forge(member{name: "a", method: 8, packed: packed, size: 1000}), nil, `"a" holds more than the 1000 bytes that it says`},
		{"less than it says", forge(member{name: "a", method: 8, packed: deflate(t, 999), size: 1000}), nil, `"a" is not what was packed`},
		{"one file by two names", forge(member{name: "a", content: "12345"}, member{name: "b", content: "12345", at: &second}), nil, `files of the archive overlap, at "b"`},
		{"one file in another", overlapping(), nil, "files of the archive overlap"},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.archive, tt.config, tt.want) })
	}
}

// What grows less than is admitted is not refused for that: here it is the bytes that are wrong.
func TestWhatGrowsNoMoreThanIsAdmittedIsUnpacked(t *testing.T) {
	refused(t, grows(250), nil, `"zeros" can't be unpacked`)
	refused(t, grow(249), nil, `can't be unpacked`)
}

// grows is an archive with a file that claims to be so many times what it is packed, and more than a bomb is at least.
func grows(times int) []byte {
	junk := make([]byte, 1<<20)
	return forge(member{name: "zeros", method: 8, packed: junk, size: uint32(times * len(junk))})
}

// grow is an archive of files which, each below what is looked at one by one, claim so many times its size together.
func grow(times int) []byte {
	members := make([]member, 70)
	for i := range members {
		members[i] = member{name: fmt.Sprintf("f%02d", i), method: 8, packed: make([]byte, 4<<10), size: 1}
	}
	size := len(forge(members...))
	for i := range members {
		members[i].size = uint32(times*size/len(members)) + 1
	}
	return forge(members...)
}

// overlapping is the trick of a bomb without nesting: the bytes of one file hold the next one, header and all.
func overlapping() []byte {
	inner := forge(member{name: "b", content: "12345"})[:30+1+5]
	at := uint32(30 + 1)
	archive := forge(member{name: "a", content: string(inner)}, member{name: "b", content: "12345", at: &at})
	return archive
}

func TestDamageIsNamed(t *testing.T) {
	good := standard(t, zip.Deflate, "a.txt", "b.txt")
	for _, tt := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"cut off", good[:len(good)/2], "its end is missing, so it was cut off"},
		{"empty", nil, "it is no ZIP archive"},
		{"something else", bytes.Repeat([]byte("solid gear\n"), 9999), "it is no ZIP archive; check the path and what wrote the file"},
		{"a tar.gz", []byte("\x1f\x8b\x08\x00 and so on"), "it is a gzip file, and only ZIP archives are unpacked; pack it as ZIP"},
		{"a 7-Zip archive", []byte("7z\xbc\xaf\x27\x1c and so on"), "it is a 7-Zip archive"},
		{"a flipped byte", flip(forge(member{name: "a", content: "12345"}), 31), `"a" is not what was packed: its size or its checksum is another one`},
		{"encrypted", forge(member{name: "a", flags: 1}), `"a" in the archive is encrypted; pack it without a password`},
		{"another method", forge(member{name: "a", method: 14}), `"a" in the archive is packed by LZMA, which is not read; pack it with Deflate`},
		{"one part of several", change(forge(member{name: "a"}), -22+4, 3), "is one part of several"},
		{"more entries than there are", change(forge(member{name: "a"}), -22+10, 2), "its directory is not where it says"},
		{"a directory that is elsewhere", change(forge(member{name: "a"}), -22+16, 200), "its directory is not where it says"},
		{"a directory that breaks off", forge(member{name: "a", entry: func(h []byte) { h[28] = 99 }}), "its directory breaks off"},
		{"another name where the file is", forge(member{name: "a", local: func(h []byte) { h[26] = 0 }}), `the archive says two things of "a"`},
		{"another method where the file is", forge(member{name: "a", local: func(h []byte) { h[8] = 8 }}), `the archive says two things of "a"`},
		{"another size where the file is", forge(member{name: "a", content: "x", local: func(h []byte) { h[22] = 9 }}), `the archive says two things of "a"`},
		{"no file where it should be", forge(member{name: "a", local: func(h []byte) { h[0] = 'Q' }}), `"a" is not where it says`},
		{"a folder with content", forge(member{name: "a/", content: "x"}), `"a" is a folder with content`},
		{"bytes into the directory", forge(member{name: "a", content: "x", entry: beyond, local: beyond30}), `"a" reaches beyond its end`},
		{"a size that can't be", forge(member{name: "a", content: "x", extra: huge(), entry: func(h []byte) { le.PutUint32(h[24:], 1<<32-1) }}), `the sizes of "a" can't be`},
		{"no Deflate stream", forge(member{name: "a", method: 8, packed: []byte{0xff, 0xff, 0xff}, size: 9}), `"a" can't be unpacked`},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.archive, nil, tt.want) })
	}
}

// beyond makes an entry of the directory, and beyond30 the file's own header, say 50 bytes.
func beyond(h []byte)   { le.PutUint32(h[20:], 50); le.PutUint32(h[24:], 50) }
func beyond30(h []byte) { le.PutUint32(h[18:], 50); le.PutUint32(h[22:], 50) }

// huge is the extra field of a file of 2^63 bytes.
func huge() []byte { return le.AppendUint64([]byte{1, 0, 8, 0}, 1<<63) }

// change sets the byte at an offset, a negative one from the end.
func change(b []byte, at int, to byte) []byte {
	if at < 0 {
		at += len(b)
	}
	b[at] = to
	return b
}

func flip(b []byte, at int) []byte { return change(b, at, b[at]^0xff) }
