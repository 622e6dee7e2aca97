package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

func (g *Gateway) fileOperations() []operation {
	return []operation{
		{
			method: http.MethodPut, path: "/v1/files/{path...}", scope: Submit, streams: true, serve: g.putFile,
			summary: "Keep a file for any number of jobs", bodies: []string{"application/octet-stream"},
			about:   "It takes the place of what is there. Jobs have it by its key, among their inputs; it stays until it is deleted.",
			headers: uploadHeaders()[:1], gives: map[int]any{http.StatusCreated: Kept{}},
		},
		{
			method: http.MethodGet, path: "/v1/files/{path...}", scope: Read, streams: true, serve: g.getFile,
			summary: "Fetch a file that was kept", answers: []string{"application/octet-stream"}, gives: map[int]any{http.StatusOK: nil, http.StatusPartialContent: nil},
		},
		{
			method: http.MethodDelete, path: "/v1/files/{path...}", scope: Submit, serve: g.deleteFile,
			summary: "Delete a file that was kept", gives: map[int]any{http.StatusNoContent: nil},
		},
	}
}

// Kept is a file that was kept.
type Kept struct {
	Key    string `json:"key" doc:"by which a job's inputs name it"`
	Size   int64  `json:"size" doc:"bytes"`
	SHA256 string `json:"sha256"`
}

// fileKey is where the file of a path lies. A customer's lie in a folder of its own, which the path may begin with, as keys do.
func (c *call) fileKey() (path, key string, err error) {
	path, key = c.r.PathValue("path"), job.Files
	if own := c.key.Customer; own != "" {
		path = strings.TrimPrefix(path, own+"/")
		key += own + "/"
	}
	key += path
	long := func(part string) bool { return len(part) > maxFileName }
	if job.CheckInputName(path) != nil || blob.CheckKey(key) != nil || slices.ContainsFunc(strings.Split(path, "/"), long) {
		return "", "", refused(Invalid, http.StatusBadRequest, fmt.Sprintf("%q is no path of a file; write one like models/gear.stl, of parts of at most %d bytes", clip(path), maxFileName))
	}
	return path, key, nil
}

func (g *Gateway) putFile(c *call) error {
	release, err := g.uploading.take(c.key)
	if err != nil {
		return err
	}
	defer release()
	if err := c.whole(); err != nil {
		return err
	}
	path, key, err := c.fileKey()
	if err != nil {
		return err
	}
	want, err := digestOf(c.r.Header)
	if err != nil {
		return err
	}
	u := &upload{gateway: g, call: c, id: path}
	f := &file{Name: path, kind: c.r.Header.Get("Content-Type")}
	body := &paced{ReadCloser: c.r.Body, control: http.NewResponseController(c.w)}
	if err := u.put(f, key, body, c.r.ContentLength, want); err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusCreated, Kept{Key: key, Size: f.Size, SHA256: f.SHA256})
}

func (g *Gateway) getFile(c *call) error {
	path, key, err := c.fileKey()
	if err != nil {
		return err
	}
	if _, err := blob.Stat(c.r.Context(), g.cfg.Store, key); errors.Is(err, blob.ErrNotFound) {
		return problem(http.StatusNotFound, fmt.Sprintf("no file %q is kept; PUT /v1/files/… keeps one", clip(path)))
	} else if err != nil {
		return c.unavailable(err)
	}
	return g.serveArtifact(c, record.Artifact{Path: path, Key: key}, false)
}

func (g *Gateway) deleteFile(c *call) error {
	_, key, err := c.fileKey()
	if err != nil {
		return err
	}
	if err := g.cfg.Store.Delete(c.r.Context(), key); err != nil {
		return c.unavailable(err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
