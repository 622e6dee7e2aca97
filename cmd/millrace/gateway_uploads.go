package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/worker/gateway"
)

// uploadsConfig says how the gateway takes files.
type uploadsConfig struct {
	MaxUpload size   `flag:"max-upload" default:"20Gi" doc:"most bytes of a file that is uploaded; a key may have less (max_upload)"`
	Uploads   int    `flag:"uploads" default:"1000" doc:"uploads at once; more of them are told to come later. Before a bucket each takes up to 8 MiB of TMPDIR"`
	PublicURL string `flag:"public-url" default:"" doc:"URL that others reach the gateway by, for the URLs of files that it signs; empty is what a request was sent to"`
}

func (c *uploadsConfig) check(from func(string) string) (errs []error) {
	if c.Uploads < 1 {
		errs = append(errs, fmt.Errorf("%s: must be 1 or more, got %d", from("uploads"), c.Uploads))
	}
	if c.MaxUpload < 1 {
		errs = append(errs, fmt.Errorf("%s: must be 1 or more, got %d", from("max-upload"), c.MaxUpload))
	}
	if c.PublicURL != "" && !isServer(c.PublicURL) {
		errs = append(errs, fmt.Errorf("%s: %q is no URL; one looks like https://millrace.example.com", from("public-url"), c.PublicURL))
	}
	return errs
}

// uploadsLeave is how many bytes of a folder's disk uploads leave free: queue and records are there, too, and nothing can be sent
// without them.
const uploadsLeave = 256 << 20

// uploads is a gateway.Config's Uploads.
func (c *uploadsConfig) uploads(place *placeConfig, store blob.Store) gateway.Uploads {
	u := gateway.Uploads{Bucket: place.store.bucket, Prefix: place.store.prefix, Most: int64(c.MaxUpload), AtOnce: c.Uploads, URL: c.PublicURL}
	if place.store.kind == kindLocal {
		u.Bucket = kindLocal // it has no name, and routes may want one
		u.Room = disk.New(place.Data, uploadsLeave).Free
		return u
	}
	u.Spool = spoolFile
	if signer, ok := store.(interface {
		Presign(ctx context.Context, key string, size int64, contentType string, expires time.Duration) (url string, header http.Header, err error)
	}); ok {
		u.Presign = signer.Presign
	}
	return u
}

// spoolFile makes a file that is gone when it is closed.
func spoolFile() (*os.File, error) {
	f, err := os.CreateTemp("", "millrace-part-")
	if err != nil {
		return nil, fmt.Errorf("make a file for a part of an upload: %w", err)
	}
	return f, os.Remove(f.Name())
}
