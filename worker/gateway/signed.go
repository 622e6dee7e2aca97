package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/job"
)

// signKey is where the secret lies by which gateways sign URLs, where the store is a folder: any gateway on it knows it.
const signKey = "gateway/presign-key"

// signature is over all that a URL is good for.
func signature(secret []byte, id, name string, size int64, until string) string {
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "PUT\n%s\n%s\n%d\n%s", id, name, size, until) // no name has a line break
	return hex.EncodeToString(m.Sum(nil))
}

// secret is by which URLs are signed. The first gateway that needs it makes it.
func (g *Gateway) secret(ctx context.Context) ([]byte, error) {
	for range 2 {
		b, err := blob.ReadAll(ctx, g.cfg.Store, signKey, 1<<10)
		if err == nil && len(b) < sha256.Size {
			err = fmt.Errorf("the object %s is no key; remove it", signKey)
		}
		if !errors.Is(err, blob.ErrNotFound) {
			return b, err
		}
		fresh := make([]byte, sha256.Size)
		_, _ = rand.Read(fresh) // never fails
		if err := g.cfg.Store.Create(ctx, signKey, fresh); err != nil && !errors.Is(err, blob.ErrExists) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the object %s comes and goes", signKey)
}

// askSigned says that a page of any site may use a signed URL: all that allows it stands in the URL, and nothing that a browser adds.
func askSigned(c *call) error {
	h := c.w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", http.MethodPut)
	h.Set("Access-Control-Allow-Headers", "Content-Type, Content-Digest")
	h.Set("Access-Control-Max-Age", "3600")
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// checkSigned refuses a request that its URL was not signed for, and returns the size of its file.
func (g *Gateway) checkSigned(c *call) (size int64, err error) {
	if g.cfg.Uploads.Presign != nil {
		return 0, problem(http.StatusNotFound, "files are sent to the bucket itself; ask for a URL by POST /v1/uploads/presign")
	}
	secret, err := g.secret(c.r.Context())
	if err != nil {
		return 0, err
	}
	q := c.r.URL.Query()
	size, sizeErr := strconv.ParseInt(q.Get("size"), 10, 64)
	until, untilErr := strconv.ParseInt(q.Get("expires"), 10, 64)
	good := hmac.Equal([]byte(signature(secret, c.r.PathValue("id"), c.r.PathValue("name"), size, q.Get("expires"))), []byte(q.Get("signature")))
	switch {
	case !good || sizeErr != nil || untilErr != nil:
		return 0, refused(NoKey, http.StatusForbidden, "the URL is not signed for this; ask for one by POST /v1/uploads/presign")
	case time.Now().Unix() > until:
		return 0, refused(NoKey, http.StatusForbidden, "the URL has expired; ask for another by POST /v1/uploads/presign")
	case c.r.ContentLength != size:
		return 0, refused(Invalid, http.StatusBadRequest, fmt.Sprintf("the URL is for %d bytes, and %d are announced", size, c.r.ContentLength))
	}
	return size, nil
}

// putSigned stores the file that a URL was signed for. It makes no job of it.
func (g *Gateway) putSigned(c *call) error {
	c.w.Header().Set("Access-Control-Allow-Origin", "*") // see askSigned
	size, err := g.checkSigned(c)
	if err != nil {
		return err
	}
	customer, _, _ := strings.Cut(c.r.PathValue("id"), ".") // or some text, where there is none
	release, err := g.uploading.take(&Key{Customer: customer})
	if err != nil {
		return err
	}
	defer release()
	if err := c.whole(); err != nil {
		return err
	}
	want, err := digestOf(c.r.Header)
	if err != nil {
		return err
	}
	id := c.r.PathValue("id")
	u := &upload{gateway: g, call: c, id: id, folder: ownFolder(id), fields: fields{}, folded: map[string]bool{}}
	u.call.key = &Key{} // whoever has the URL: what it is for was checked when it was signed
	body := &paced{ReadCloser: c.r.Body, control: http.NewResponseController(c.w)}
	if err = u.store(c.r.PathValue("name"), c.r.Header.Get("Content-Type"), body, size, want); err == nil {
		err = u.arrive(c.r.Context())
	}
	if err != nil {
		u.discard()
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// An arrival is the file that a job is made of: the first that was sent to its URL.
type arrival struct {
	Folder string `json:"folder"`
	SHA256 string `json:"sha256"`
}

func (u *upload) arrivalKey() string { return job.Uploads + u.id + "/came" }

// arrive makes the upload's file the one that a job is made of. The same may come again.
func (u *upload) arrive(ctx context.Context) error {
	own := arrival{u.folder, u.files[0].SHA256}
	body, err := json.Marshal(own)
	if err != nil {
		return err
	}
	if err = u.gateway.cfg.Store.Create(ctx, u.arrivalKey(), body); err == nil {
		return nil
	}
	standing, readErr := u.came(ctx)
	switch {
	case readErr != nil:
		u.kept = true // it may stand all the same
		return u.notStored(u.files[0].Name, errors.Join(err, readErr))
	case standing.SHA256 != own.SHA256:
		return refused(Invalid, http.StatusConflict, "another file was sent to this URL before; ask for another URL")
	case standing != own:
		u.discard()
	}
	return nil
}

// came is the file that was sent first, or blob.ErrNotFound.
func (u *upload) came(ctx context.Context) (a arrival, err error) {
	b, err := blob.ReadAll(ctx, u.gateway.cfg.Store, u.arrivalKey(), 4<<10)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("read object %s: %w", u.arrivalKey(), err)
	}
	return a, nil
}
