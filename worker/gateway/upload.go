package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/worker/job"
)

const (
	// uploadsAtOnce is how many files are taken at a time where nobody says; each has a connection and, before a bucket, a
	// file of 8 MiB at most.
	uploadsAtOnce = 1000
	// uploadBytes is the largest file where nobody says.
	uploadBytes = 20 << 30
	// discardTime bounds the removal of what was stored in vain.
	discardTime = 15 * time.Second
)

// Uploads say how files are taken.
type Uploads struct {
	Bucket string // that the store is, as events would name it: what jobs find in stagingBucket
	Prefix string // of all keys of the store in that bucket, without a slash at its end
	Most   int64  // bytes of a file; 0 is 20 GiB
	AtOnce int    // files at a time, more are told to come later; 0 is 1000
	URL    string // of the gateway as others reach it; empty is what a request was sent to

	// Room is how many bytes files may take yet; nil is not known.
	Room func() (int64, error)
	// Spool makes a file without a name, in which a part of an upload lies until a bucket has it; nil: the store is a folder.
	Spool func() (*os.File, error)
	// Presign makes a URL by which a bucket itself takes a file; nil: the gateway takes it, by a URL that it signs.
	Presign func(ctx context.Context, key string, size int64, contentType string, expires time.Duration) (url string, header http.Header, err error)
}

func (g *Gateway) uploadOperations() []operation {
	return []operation{
		{
			method: http.MethodPost, path: "/v1/uploads", scope: Submit, streams: true, serve: g.postUpload,
			summary: "Send files", bodies: []string{"multipart/form-data", "application/octet-stream"},
			about: "A form (multipart/form-data) has any number of files, and fields; else the body is one file. Fields may stand in the query, too; besides those below state.NAME, a value of the pipeline's state, and what a message may say of its job. With a pipeline that is named one job " +
				"is made of all files, which its workspace has; else the routing table makes one of each. 202 says that files and jobs are durable.",
			query: uploadQuery(), headers: uploadHeaders(), gives: map[int]any{http.StatusAccepted: Uploaded{}},
		},
		{
			method: http.MethodPut, path: "/v1/uploads/{name}", scope: Submit, streams: true, serve: g.postUpload,
			summary: "Send one file as the body",
			about:   "As `curl -T file …/v1/uploads/` does.", bodies: []string{"application/octet-stream"},
			query: uploadQuery()[1:], headers: uploadHeaders(), gives: map[int]any{http.StatusAccepted: Uploaded{}},
		},
	}
}

func uploadQuery() []parameter {
	return []parameter{
		{"name", "of the file that is the body", ""},
		{"pipeline", "that is run on the files; without it the routing table finds one", ""},
		{"id", "of the job", ""},
		{"callback", "URL that its outcome is posted to", ""},
		{"unpack", "the file is an archive, which the job finds unpacked", false},
	}
}

func uploadHeaders() []parameter {
	return []parameter{
		{"Content-Digest", "SHA-256 of the file, as RFC 9530 has it: one that differs is refused", ""},
		{"Idempotency-Key", "makes the request one that may be sent again", ""},
	}
}

// postUpload takes a request's files. What it stores nobody reads before the job of it is sent; what fails leaves nothing, or
// what the sweep removes.
func (g *Gateway) postUpload(c *call) error {
	release, err := g.uploading.take(c.key)
	if err != nil {
		return err
	}
	defer release()
	u, err := g.newUpload(c)
	if err == nil {
		err = u.read()
	}
	if err == nil {
		err = u.soon(u.send)
	}
	if err != nil {
		u.discard()
		return err
	}
	return u.answer()
}

// soon has f, which does not wait for the sender, end in time: a request that streams has no end of its own.
func (u *upload) soon(f func() error) error {
	whole := u.call.r
	ctx, cancel := context.WithTimeout(whole.Context(), answerTime)
	defer cancel()
	u.call.r = whole.WithContext(ctx)
	defer func() { u.call.r = whole }()
	return f()
}

// An upload is a request's files on their way to becoming jobs.
type upload struct {
	gateway *Gateway
	call    *call
	id      string // of the job where there is one
	folder  string // of the store, with a slash: its files lie there. No other request writes there, but for one that has a signed URL
	kept    bool   // a job may have the files
	fields  fields
	files   []*file
	folded  map[string]bool // the files' names, for comparison
	jobs    []*job.Job
}

// A file is one that is stored.
type file struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitzero"` // hexadecimal
	Job    string `json:"job,omitzero"`    // that was made of it
	Why    string `json:"why,omitzero"`    // there is none
	kind   string // content type
}

func (g *Gateway) newUpload(c *call) (*upload, error) {
	u := &upload{gateway: g, call: c, fields: fields{}, folded: map[string]bool{}}
	for name, values := range c.r.URL.Query() {
		if name == "name" {
			continue // of the file
		}
		if err := u.fields.set(name, values[len(values)-1]); err != nil {
			return u, err
		}
	}
	return u, u.name()
}

// name settles the upload's ID, which can't change once a file is stored.
func (u *upload) name() error {
	id := u.fields["id"]
	given := id != "" || u.call.r.Header.Get("Idempotency-Key") != ""
	if id == "" {
		var err error
		if id, err = u.call.messageID(); err != nil {
			return err
		}
	}
	if c := u.call.key.Customer; c != "" && !strings.HasPrefix(id, c+".") {
		id = c + "." + id
	}
	const most = 100 // leaves room for the numbers of its jobs
	if id != job.SafeID(id) || len(id) > most {
		return refused(Invalid, http.StatusBadRequest, fmt.Sprintf("id %.100q can't stand in paths: write letters, digits, \".\", \"_\" and \"-\", a letter or digit first, at most %d in all", id, most))
	}
	u.id, u.folder = id, inputsOf(id)
	if given {
		u.folder = ownFolder(id)
	}
	return nil
}

// inputsOf is the folder of an upload's files.
func inputsOf(id string) string { return job.Uploads + id + "/inputs/" }

// ownFolder is one that no other request with this ID has: what it sends takes the place of nothing that a job was made of.
func ownFolder(id string) string {
	return job.Uploads + id + "/" + strings.ToLower(rand.Text()) + "/inputs/"
}

// read stores all that the request brings.
func (u *upload) read() error {
	r := u.call.r
	if err := u.call.whole(); err != nil {
		return err
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind == "application/x-www-form-urlencoded" { // which curl says of any body
		kind = ""
	}
	if kind == "multipart/form-data" && r.Method == http.MethodPost {
		return u.readForm()
	}
	name := r.URL.Query().Get("name")
	if path := r.PathValue("name"); path != "" {
		name = path
	}
	if name == "" {
		return refused(Invalid, http.StatusBadRequest, `the file has no name: write ?name=gear.stl, or send it as a form (curl -F file=@gear.stl)`)
	}
	if err := u.vain(name, r.ContentLength, kind); err != nil {
		return err
	}
	want, err := digestOf(r.Header)
	if err != nil {
		return err
	}
	return u.store(name, kind, &paced{ReadCloser: r.Body, control: http.NewResponseController(u.call.w)}, r.ContentLength, want)
}

// vain refuses a file that no job could be made of, before it is sent. One of a size that nobody has said, a route may want.
func (u *upload) vain(name string, size int64, kind string) error {
	if size < 0 && !u.named() {
		return nil
	}
	name, err := cleanName(name)
	if err != nil {
		return err
	}
	u.files = []*file{{Name: name, Size: size, kind: kind}}
	err = u.soon(func() error {
		_, _, err := u.ready()
		return err
	})
	u.files, u.jobs = nil, nil
	return err
}

// Uploaded is what became of an upload.
type Uploaded struct {
	Jobs  []SentJob `json:"jobs" doc:"whose messages the queue has"`
	Files []*file   `json:"files"`
}

// answer says what was made of the files. The queue has the jobs by now.
func (u *upload) answer() error {
	out := Uploaded{Files: u.files}
	for _, j := range u.jobs {
		out.Jobs = append(out.Jobs, SentJob{ID: j.ID, Pipeline: j.Pipeline})
	}
	return writeJSON(u.call.w, http.StatusAccepted, out)
}

// discard removes what was stored in vain.
func (u *upload) discard() {
	if u.kept || len(u.files) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.call.r.Context()), discardTime)
	defer cancel()
	for _, f := range u.files {
		if err := u.gateway.cfg.Store.Delete(ctx, u.key(f.Name)); err != nil {
			u.gateway.cfg.Log.WarnContext(ctx, "upload not removed", "job_id", u.id, "err", err)
			return
		}
	}
}

// key is where a file lies in the store.
func (u *upload) key(name string) string { return u.folder + name }
