package client

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/millrace/millrace/worker/gateway"
)

// SubmitWith sends a message without an ID, and an archive that its job finds unpacked in its workspace. The archive is sent as
// it is written. An empty id is the gateway's choice.
func (c *Client) SubmitWith(ctx context.Context, id string, message []byte, write func(io.Writer) error) (gateway.Uploaded, error) {
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	done := make(chan error, 1)
	go func() {
		err := writeForm(form, id, message, write)
		_ = w.CloseWithError(err) // nil is the end
		done <- err
	}()
	var sent gateway.Uploaded
	err := c.get(ctx, Request{
		Method: http.MethodPost, Path: "/v1/uploads", Stream: r, Length: -1, Header: http.Header{"Content-Type": {form.FormDataContentType()}},
	}, &sent)
	_ = r.Close() // who writes hears of it
	if written := <-done; written != nil && !errors.Is(written, io.ErrClosedPipe) {
		return sent, written
	}
	return sent, err
}

func writeForm(form *multipart.Writer, id string, message []byte, write func(io.Writer) error) error {
	for _, f := range [][2]string{{"id", id}, {"unpack", "true"}, {"message", string(message)}} {
		if f[1] == "" {
			continue
		}
		if err := form.WriteField(f[0], f[1]); err != nil {
			return err
		}
	}
	w, err := form.CreateFormFile("file", "with.zip")
	if err == nil {
		err = write(w)
	}
	if err != nil {
		return err
	}
	return form.Close()
}

// PutFile keeps a file of size bytes under a path, for any number of jobs.
func (c *Client) PutFile(ctx context.Context, path string, r io.Reader, size int64) (gateway.Kept, error) {
	var kept gateway.Kept
	return kept, c.get(ctx, Request{Method: http.MethodPut, Path: filePath(path), Stream: r, Length: size}, &kept)
}

// GetFile returns a file that was kept. The caller closes it.
func (c *Client) GetFile(ctx context.Context, path string) (io.ReadCloser, error) {
	resp, err := c.Do(ctx, Request{Method: http.MethodGet, Path: filePath(path)})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// filePath escapes what stands between the slashes of a path.
func filePath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return "/v1/files/" + strings.Join(parts, "/")
}
