package gateway

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/disk"
)

const (
	maxFileName = 200 // bytes; a disk takes 255, and a pipeline may put something in front
	// A sender is given up that sends nothing for as long as silence, or that has sent less than floor bytes for each second
	// of waiting, once it was waited for as long as patience.
	silence  = 30 * time.Second
	patience = time.Minute
	floor    = 512
	// longestUpload is how long all files of a request may take. With presignLongest it is the time in which a sweep leaves them alone.
	longestUpload = 12 * time.Hour
)

// store puts a file into the store, where nobody sees it before it is whole. size is what the sender says; -1 is nothing.
func (u *upload) store(name, kind string, r io.Reader, size int64, want []byte) error {
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	if u.folded[fold(name)] {
		return refused(Invalid, http.StatusConflict, fmt.Sprintf("two files have the name %.100q, or ones that are the same on some systems; rename one", name))
	}
	f := &file{Name: name, kind: kind}
	u.files, u.folded[fold(name)] = append(u.files, f), true
	return u.put(f, u.key(name), r, size, want)
}

// put is store under a key.
func (u *upload) put(f *file, key string, r io.Reader, size int64, want []byte) (err error) {
	if f.kind, _, err = mime.ParseMediaType(f.kind); err != nil {
		f.kind = blobType
	}
	if !u.call.key.takes(f.Name, f.kind) {
		return refused(Type, http.StatusUnsupportedMediaType, fmt.Sprintf("this key sends no files like %.100q (%s), only %s", f.Name, f.kind, strings.Join(u.call.key.Types, ", ")))
	}
	in := &incoming{r: r, most: u.most(), want: want, sum: sha256.New(), room: u.room}
	if size > in.most {
		return in.tooLarge()
	}
	if err := u.room(max(size, 0)); err != nil {
		return err
	}
	o := blob.PutOptions{ContentType: f.kind, Spool: u.gateway.cfg.Uploads.Spool}
	if _, err := u.gateway.cfg.Store.Put(u.call.r.Context(), key, in, o); err != nil {
		return u.notStored(f.Name, cmp.Or(in.err, err))
	}
	f.Size, f.SHA256 = in.size, hex.EncodeToString(in.sum.Sum(nil))
	return nil
}

const blobType = "application/octet-stream"

// most is how many bytes a file of this sender may have.
func (u *upload) most() int64 {
	most := cmp.Or(u.gateway.cfg.Uploads.Most, uploadBytes)
	if own := u.call.key.MaxUpload; own > 0 {
		most = min(most, own)
	}
	return most
}

// notStored explains why a file was not stored.
func (u *upload) notStored(name string, err error) error {
	_, ours := errors.AsType[*Problem](err)
	badKey, isBad := errors.AsType[*blob.KeyError](err)
	switch {
	case ours:
		return err
	case isBad:
		return refused(Invalid, http.StatusConflict, badKey.Error()+"; choose another path")
	case disk.Full(err):
		u.gateway.cfg.Log.ErrorContext(u.call.r.Context(), "upload not stored", "job_id", u.id, "err", err)
		return noRoom()
	case u.call.r.Context().Err() != nil:
		return cutOff(err)
	}
	u.gateway.cfg.Log.WarnContext(u.call.r.Context(), "upload not stored", "job_id", u.id, "err", err)
	return later(fmt.Sprintf("the store does not take %.100q now; send it again in a few seconds", name))
}

func noRoom() *Problem {
	return refused(Down, http.StatusInsufficientStorage, "there is no room for the file; the gateway's operator has to make some")
}

// room refuses a file that brings so many more bytes than there is room for. Where that can't be told the store's own error will.
func (u *upload) room(more int64) error {
	room := u.gateway.cfg.Uploads.Room
	if room == nil {
		return nil
	}
	free, err := room()
	if err != nil || more < free {
		return nil
	}
	u.gateway.cfg.Log.ErrorContext(u.call.r.Context(), "no room for uploads", "job_id", u.id, "bytes", free)
	return noRoom()
}

// later is an answer that may be another one soon.
func later(detail string) *Problem {
	return busy(refused(Busy, http.StatusServiceUnavailable, detail), 5*time.Second)
}

func cutOff(err error) *Problem {
	return refused(Broken, http.StatusBadRequest, fmt.Sprintf("the upload broke off (%v); nothing of it is kept, send it again", err))
}

// incoming counts and sums up a file as it is read. What is wrong with it ends it with an error, so that it is not stored.
type incoming struct {
	r    io.Reader
	most int64
	want []byte // SHA-256; nil is any
	sum  hash.Hash
	size int64
	room func(more int64) error
	next int64 // the size at which room is asked again
	err  error // why it ended, but for its own end
}

// roomEvery is after how many bytes the room for a file is looked at again: others come at the same time.
const roomEvery = 64 << 20

func (in *incoming) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	in.size += int64(n)
	_, _ = in.sum.Write(p[:n])
	switch {
	case in.size > in.most:
		err = in.tooLarge()
	case err == nil && in.size >= in.next:
		in.next = in.size + roomEvery
		err = in.room(0)
	case err == io.EOF && in.want != nil && subtle.ConstantTimeCompare(in.want, in.sum.Sum(nil)) != 1:
		err = refused(Invalid, http.StatusBadRequest, "the file is not the one whose SHA-256 was sent with it; send it again")
	case err != nil && err != io.EOF:
		if _, ours := errors.AsType[*Problem](err); !ours {
			err = cutOff(err)
		}
	}
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

func (in *incoming) tooLarge() *Problem {
	return refused(Size, http.StatusRequestEntityTooLarge, fmt.Sprintf("the file has more than the %d bytes that this gateway takes", in.most))
}

// digestOf is the SHA-256 that a sender says of what it sends (RFC 9530, and as S3 has it); nil is none.
func digestOf(h http.Header) ([]byte, error) {
	text := h.Get("x-amz-checksum-sha256")
	for entry := range strings.SplitSeq(h.Get("Content-Digest"), ",") {
		if name, value, _ := strings.Cut(strings.TrimSpace(entry), "="); name == "sha-256" {
			text = strings.Trim(value, ":")
		}
	}
	if text == "" {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sum) != sha256.Size {
		return nil, refused(Invalid, http.StatusBadRequest, `the SHA-256 of the file can't be read: Content-Digest is written sha-256=:…:, with base64 between the colons`)
	}
	return sum, nil
}

// A paced reader gives up a sender that is silent or next to it. Only the waiting for it counts, not that for the store.
type paced struct {
	io.ReadCloser
	control *http.ResponseController
	begun   time.Time // the first Read; zero is none
	n       int64
	waited  time.Duration
}

func (p *paced) Read(b []byte) (int, error) {
	begun := time.Now()
	if p.begun.IsZero() {
		p.begun = begun
	}
	_ = p.control.SetReadDeadline(begun.Add(silence)) // what is no connection has no deadline
	n, err := p.ReadCloser.Read(b)
	p.n += int64(n)
	p.waited += time.Since(begun)
	slow := p.waited > patience && p.n < int64(p.waited.Seconds())*floor
	if slow && err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		err = refused(Slow, http.StatusRequestTimeout, fmt.Sprintf("nothing came for %s, or less than %d bytes a second; send it again", silence, floor))
	}
	if err == nil && begun.Sub(p.begun) > longestUpload {
		err = refused(Slow, http.StatusRequestTimeout, fmt.Sprintf("it took longer than %s; send fewer files at once, or smaller ones", longestUpload))
	}
	if err != nil {
		_ = p.control.SetReadDeadline(time.Time{}) // or the connection would be taken for a dead one while we work
	}
	return n, err
}

// explain makes a Problem of how a form ended.
func (p *paced) explain(err error) error {
	if ours, ok := errors.AsType[*Problem](err); ok {
		return ours
	}
	return cutOff(err)
}

// cleanName is the name of a file as it is stored: the last part of a path of any system, without what can't be shown and
// what hides a file.
func cleanName(name string) (string, error) {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	base = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, base)
	base = norm.NFC.String(base) // now: letters that what was taken out stood between become one
	base = strings.TrimLeftFunc(strings.TrimSpace(base), func(r rune) bool { return r == '.' || unicode.IsSpace(r) })
	if base == "" || base == "/" || len(base) > maxFileName || blob.CheckKey(base) != nil {
		return "", refused(Invalid, http.StatusBadRequest, fmt.Sprintf("%.100q can't be a file's name; give it one like gear.stl, of at most %d bytes", name, maxFileName))
	}
	return base, nil
}

// fold is the same for names that some filesystem takes for one.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }
