package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// send makes the jobs of the files and puts them into the queue. Before that the store is told which they are, so that the
// sweep knows how long the files are needed.
func (u *upload) send() error {
	all, ids, err := u.ready()
	if err != nil {
		return err
	}
	err = u.gateway.cfg.Records.KeepUpload(u.call.r.Context(), u.id, ids, u.content())
	switch {
	case errors.Is(err, record.ErrOtherUpload):
		return refused(Invalid, http.StatusConflict, fmt.Sprintf("an upload with the ID %s was sent before, with other files or for other jobs; choose another", u.id))
	case errors.Is(err, record.ErrUploadGone):
		return refused(Invalid, http.StatusConflict, fmt.Sprintf("an upload with the ID %s is being removed, since no job was made of it in a day; choose another", u.id))
	}
	u.kept = true // it may have been noted, whatever the error is
	if err != nil {
		return u.call.unavailable(err)
	}
	return u.gateway.sendAll(u.call, all)
}

// content is the same for the same files, in the same order, alone.
func (u *upload) content() string {
	sum := sha256.New()
	for _, f := range u.files {
		fmt.Fprintf(sum, "%q %d %s\n", f.Name, f.Size, f.SHA256)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// ready makes the jobs, each of which a worker can run, and their messages.
func (u *upload) ready() (all []outgoing, ids []string, err error) {
	if err := u.make(); err != nil {
		return nil, nil, err
	}
	for _, j := range u.jobs {
		body, err := u.gateway.ready(u.call, j)
		if err != nil {
			return nil, nil, err
		}
		all, ids = append(all, outgoing{j, body}), append(ids, j.ID)
	}
	return all, ids, nil
}

// make makes the jobs: one of all files where a pipeline is named, else one of each that the routing table has a route for.
func (u *upload) make() error {
	if u.named() {
		return u.makeOne()
	}
	var why error
	for i, f := range u.files {
		id := u.id
		if len(u.files) > 1 {
			id = fmt.Sprintf("%s-%d", u.id, i+1)
		}
		j, err := u.route(f, id)
		if err != nil {
			why, f.Why = err, err.Error()
			continue
		}
		j.ID, f.Job = id, id
		u.jobs = append(u.jobs, j)
	}
	if len(u.jobs) == 0 {
		return why
	}
	return nil
}

// named says that the sender has named a pipeline.
func (u *upload) named() bool { return u.fields["pipeline"] != "" || u.fields["message"] != "" }

// route makes the job that the routing table has for a file. Its ID is the upload's, and its customer the sender's, whatever a
// route says.
func (u *upload) route(f *file, id string) (*job.Job, error) {
	for name := range u.fields {
		if !slices.Contains([]string{"id", "title", "cid", "linkId", "externalId", "callback"}, name) {
			return nil, refused(Invalid, http.StatusBadRequest, fmt.Sprintf("%q is for a pipeline that is named; write pipeline=…, too", name))
		}
	}
	j, why := u.gateway.route(job.Upload{
		Source: "gateway", Event: "upload", Kind: job.Created, Bucket: u.gateway.cfg.Uploads.Bucket, Key: u.full(u.key(f.Name)),
		ETag: f.SHA256, Size: f.Size, Type: f.kind, Time: time.Now().UTC(), ID: id,
	})
	if j == nil {
		if u.call.key.Customer != "" && u.gateway.cfg.Route != nil {
			why = "no route takes it" // the table tells of other customers' buckets
		}
		return nil, refused(Invalid, http.StatusUnprocessableEntity, fmt.Sprintf("no pipeline is named, and none is found for %.100q (%s); write pipeline=…", f.Name, why))
	}
	j.Customer = u.call.key.Customer
	j.Inputs = []job.Input{{Key: u.key(f.Name), Name: f.Name}}
	for name, to := range map[string]*string{"title": &j.Title, "cid": &j.CID, "linkId": &j.LinkID, "externalId": &j.External} {
		if v := u.fields[name]; v != "" {
			*to = v
		}
	}
	if url := u.fields["callback"]; url != "" {
		j.Callback = &job.Callback{URL: url}
	}
	return j, nil
}

// makeOne makes one job of all files, as a message with these fields would.
func (u *upload) makeOne() error {
	m, state, err := u.fields.message()
	if err != nil {
		return err
	}
	unpack, err := u.fields.is("unpack")
	if err != nil {
		return err
	}
	if unpack && len(u.files) > 1 {
		return refused(Invalid, http.StatusBadRequest, "unpack=true is for one archive, and there are several files")
	}
	j, err := u.decode(m, unpack)
	if err != nil {
		return err
	}
	if err := u.stage(j, state, unpack); err != nil {
		return err
	}
	if c := u.call.key.Customer; c != "" {
		j.Customer = c
	}
	u.jobs = []*job.Job{j}
	return nil
}

// decode makes the job of a message, with the upload's ID and the files behind the inputs that are the message's own.
func (u *upload) decode(m map[string]any, unpack bool) (*job.Job, error) {
	var inputs []any
	if own, ok := m["inputs"].(json.RawMessage); ok && json.Unmarshal(own, &inputs) != nil {
		return nil, refused(Invalid, http.StatusBadRequest, `the message's "inputs" must be a list`)
	}
	var files []job.Input
	for _, f := range u.files {
		in := job.Input{Key: u.key(f.Name), Name: f.Name}
		if unpack {
			in.Unpack, in.Name = true, "."
		}
		files, inputs = append(files, in), append(inputs, in)
	}
	m["id"], m["inputs"] = u.id, inputs
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	j, err := job.One(queue.Message{ID: u.id, Body: body})
	if err != nil {
		return nil, refused(Invalid, http.StatusBadRequest, err.Error())
	}
	// What came in an envelope of another kind has an ID and inputs from within.
	if n := len(j.Inputs) - len(files); j.ID != u.id || n < 0 || !slices.Equal(j.Inputs[n:], files) {
		return nil, refused(Invalid, http.StatusBadRequest, `the field "message" is no job by itself, but an event that holds one; send the job: {"pipeline": …}`)
	}
	return j, nil
}

// stage lays over the job's state what fields say of it, and the staging variables, as an event of a bucket would give them.
// Of what is unpacked no file is the input.
func (u *upload) stage(j *job.Job, state map[string]any, unpacked bool) error {
	name := u.files[0].Name
	staging := map[string]any{
		"stagingBucket": u.gateway.cfg.Uploads.Bucket, "stagingInputPrefix": path.Dir(u.full(u.key(name))), "stagingOutputPrefix": u.full(job.Uploads + u.id + "/outputs"),
		"inputFilename": name, "outputStem": "optimized_" + strings.TrimSuffix(name, path.Ext(name)),
	}
	names := []string{"stagingBucket", "stagingInputPrefix", "stagingOutputPrefix", "inputFilename", "outputStem"}
	if unpacked {
		staging, names = nil, nil
	}
	if j.State == nil && len(staging)+len(state) > 0 {
		j.State = map[string]any{}
	}
	for name := range staging {
		_, mine := j.State[name]
		if _, too := state[name]; mine || too {
			return refused(Invalid, http.StatusBadRequest, fmt.Sprintf("the state's %q is set by the gateway; call yours otherwise", name))
		}
	}
	names = append(slices.Sorted(maps.Keys(state)), names...)
	maps.Copy(state, staging)
	j.StateOrder = j.StateOrder.Overlay(j.State, state, &nunjucks.Order{Keys: names})
	maps.Copy(j.State, state)
	return nil
}

// full is a key of the store as its bucket has it.
func (u *upload) full(key string) string {
	return strings.TrimPrefix(strings.Trim(u.gateway.cfg.Uploads.Prefix, "/")+"/"+key, "/")
}
