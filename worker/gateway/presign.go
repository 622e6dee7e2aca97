package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/job"
)

const (
	presignDefault, presignLongest = 15 * time.Minute, 12 * time.Hour

	maxAsked = 2 << 20 // bytes of what is asked for, as it is kept: a message within is written as a text
)

func (g *Gateway) presignOperations() []operation {
	return []operation{
		{
			method: http.MethodPost, path: "/v1/uploads/presign", scope: Submit, serve: g.presign,
			summary: "Get a URL for a file",
			about:   "Whoever has the URL may send the file, of exactly that size, without a key.",
			takes:   []string{"application/json"}, body: asked{}, gives: map[int]any{http.StatusCreated: Presigned{}},
		},
		{
			method: http.MethodPut, path: "/v1/uploads/{id}/inputs/{name}", streams: true, serve: g.putSigned, bodies: []string{"application/octet-stream"},
			summary: "Send a file to its URL", gives: map[int]any{http.StatusNoContent: nil},
			query: []parameter{{"size", "of the file, in bytes", 0}, {"expires", "when the URL ends", 0}, {"signature", "of the URL", ""}},
		},
		{
			method: http.MethodOptions, path: "/v1/uploads/{id}/inputs/{name}", serve: askSigned,
			summary: "Ask whether a page may send a file to its URL", gives: map[int]any{http.StatusNoContent: nil},
		},
		{
			method: http.MethodPost, path: "/v1/uploads/{id}/complete", scope: Submit, serve: g.complete,
			summary: "Make the job of a file that was sent to its URL", gives: map[int]any{http.StatusAccepted: Uploaded{}},
		},
	}
}

// An asked is what a signed URL is asked for by, and what its upload's job is made of once the file is there.
type asked struct {
	Name    string         `json:"name"`             // of the file
	Size    int64          `json:"size"`             // bytes, exactly
	Type    string         `json:"type,omitzero"`    // content type
	Expires string         `json:"expires,omitzero"` // how long the URL is good for: 15m, at most 12h
	ID      string         `json:"id,omitzero"`      // of the job
	Fields  map[string]any `json:"fields,omitzero"`  // as those of a form: pipeline, state.name, callback
}

// A pending upload is what was asked for, until its file is there.
type pending struct {
	asked
	Customer string `json:"customer,omitzero"` // of the key
}

// presign keeps what is asked for, and gives the URL for the file.
func (g *Gateway) presign(c *call) error {
	a, err := readAsked(c)
	if err != nil {
		return err
	}
	u := &upload{gateway: g, call: c, fields: fields{}, folded: map[string]bool{}}
	if err := u.ask(a); err != nil {
		return err
	}
	expires, err := expiry(a.Expires)
	if err != nil {
		return err
	}
	body, err := json.Marshal(pending{*a, c.key.Customer})
	if err != nil {
		return err
	}
	if len(body) > maxAsked {
		return refused(Size, http.StatusRequestEntityTooLarge, "what is asked for has more than "+sizeText(maxAsked)+"; put what is large into files of its own")
	}
	ctx := c.r.Context()
	at, header, err := g.signed(ctx, u, a, expires)
	if err != nil {
		return err
	}
	switch err := g.cfg.Store.Create(ctx, askedKey(u.id), body); {
	case errors.Is(err, blob.ErrExists):
		return refused(Invalid, http.StatusConflict, fmt.Sprintf("an upload with the ID %s was asked for before; choose another", u.id))
	case err != nil:
		return u.notStored(a.Name, err)
	}
	return writeJSON(c.w, http.StatusCreated, Presigned{
		ID: u.id, Method: http.MethodPut, URL: at, Headers: flat(header), Expires: time.Now().Add(expires).UTC().Truncate(time.Second),
		Complete: g.base(c) + "/v1/uploads/" + u.id + "/complete",
	})
}

// Presigned is where a file is to be sent, and how.
type Presigned struct {
	ID       string            `json:"id" doc:"of the job"`
	Method   string            `json:"method"`
	URL      string            `json:"url"`
	Headers  map[string]string `json:"headers" doc:"that the request must have, besides Content-Length"`
	Expires  time.Time         `json:"expires"`
	Complete string            `json:"complete" doc:"where to POST once the file is sent"`
}

func askedKey(id string) string { return job.Uploads + id + "/asked" }

func readAsked(c *call) (*asked, error) {
	b, err := c.body()
	if err != nil {
		return nil, err
	}
	a := new(asked)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(a); err != nil {
		return nil, refused(Invalid, http.StatusBadRequest, `the request can't be read: send {"name": "gear.stl", "size": 1024, "fields": {"pipeline": "…"}}`)
	}
	return a, nil
}

func expiry(text string) (time.Duration, error) {
	if text == "" {
		return presignDefault, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > presignLongest {
		return 0, refused(Invalid, http.StatusBadRequest, fmt.Sprintf("expires is a time like 15m, from 1s to %s", presignLongest))
	}
	return d, nil
}

// ask makes u the upload that a asks for, and a what is kept of it.
func (u *upload) ask(a *asked) error {
	for name, v := range a.Fields {
		text, ok := v.(string)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				return err
			}
			text = string(b)
		}
		if err := u.fields.set(name, text); err != nil {
			return err
		}
	}
	u.fields["id"] = cmp.Or(a.ID, u.fields["id"])
	if err := u.name(); err != nil {
		return err
	}
	u.folder = inputsOf(u.id)
	name, err := cleanName(a.Name)
	if err != nil {
		return err
	}
	a.Name, a.Type, a.ID = name, cmp.Or(a.Type, blobType), u.id
	switch {
	case a.Size < 0 || a.Size > u.most():
		return (&incoming{most: u.most()}).tooLarge()
	case !u.call.key.takes(a.Name, a.Type):
		return refused(Type, http.StatusUnsupportedMediaType, fmt.Sprintf("this key sends no files like %.100q (%s), only %s", a.Name, a.Type, strings.Join(u.call.key.Types, ", ")))
	}
	u.files = []*file{{Name: a.Name, Size: a.Size, kind: a.Type}}
	_, _, err = u.ready() // so that who asks for what can't be hears it before the file is sent
	return err
}

// signed returns the URL for the file, and the headers that go with it.
func (g *Gateway) signed(ctx context.Context, u *upload, a *asked, expires time.Duration) (string, http.Header, error) {
	if sign := g.cfg.Uploads.Presign; sign != nil {
		at, header, err := sign(ctx, u.key(a.Name), a.Size, a.Type, expires)
		if err != nil {
			return "", nil, u.call.unavailable(err)
		}
		return at, header, nil
	}
	secret, err := g.secret(ctx)
	if err != nil {
		return "", nil, u.notStored(a.Name, err)
	}
	until := strconv.FormatInt(time.Now().Add(expires).Unix(), 10)
	q := url.Values{"expires": {until}, "signature": {signature(secret, u.id, a.Name, a.Size, until)}, "size": {strconv.FormatInt(a.Size, 10)}}
	return g.base(u.call) + "/v1/uploads/" + u.id + "/inputs/" + url.PathEscape(a.Name) + "?" + q.Encode(), http.Header{"Content-Type": {a.Type}}, nil
}

// base is how others reach the gateway. Where nobody has said that, who asks is told of the host that was asked for, by TLS if a proxy
// says so; who makes that up misleads himself alone.
func (g *Gateway) base(c *call) string {
	switch {
	case g.cfg.Uploads.URL != "":
		return strings.TrimSuffix(g.cfg.Uploads.URL, "/")
	case c.r.TLS != nil, strings.EqualFold(c.r.Header.Get("X-Forwarded-Proto"), "https"):
		return "https://" + c.r.Host
	}
	return "http://" + c.r.Host
}

func flat(h http.Header) map[string]string {
	out := map[string]string{}
	for name := range h {
		out[name] = h.Get(name)
	}
	return out
}

// complete makes the job of a file that is there.
func (g *Gateway) complete(c *call) error {
	id, ctx := c.r.PathValue("id"), c.r.Context()
	none := problem(http.StatusNotFound, fmt.Sprintf("no upload %.100q was asked for; ask for one by POST /v1/uploads/presign", id))
	if id != job.SafeID(id) || c.key.Customer != "" && !strings.HasPrefix(id, c.key.Customer+".") {
		return none
	}
	u := &upload{gateway: g, call: c, kept: true, fields: fields{}, folded: map[string]bool{}}
	b, err := blob.ReadAll(ctx, g.cfg.Store, askedKey(id), maxAsked)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return none
	case err != nil:
		return u.notStored(id, err)
	}
	a := new(pending)
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(a); err != nil {
		return err
	}
	if a.Customer != c.key.Customer && c.key.Customer != "" {
		return none
	}
	own := *c.key
	own.Customer = a.Customer // the operator completes it for whose it is
	c.key = &own
	if err := u.ask(&a.asked); err != nil {
		return err
	}
	switch err := u.find(ctx, u.files[0]); {
	case errors.Is(err, blob.ErrNotFound):
		return refused(Invalid, http.StatusConflict, "the file is not there yet; send it to the URL first")
	case err != nil:
		return u.notStored(a.Name, err)
	}
	u.jobs = nil
	if err := u.send(); err != nil {
		return err
	}
	return u.answer()
}

// find looks for a file that was sent to its URL.
func (u *upload) find(ctx context.Context, f *file) error {
	if u.gateway.cfg.Uploads.Presign == nil {
		came, err := u.came(ctx)
		u.folder, f.SHA256 = came.Folder, came.SHA256
		return err
	}
	in, err := blob.Stat(ctx, u.gateway.cfg.Store, u.key(f.Name))
	if err == nil && in.Size != f.Size {
		err = refused(Invalid, http.StatusConflict, fmt.Sprintf("the file has %d bytes, and %d were asked for; ask for another URL", in.Size, f.Size))
	}
	return err
}
