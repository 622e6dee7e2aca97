// Package gcsblob keeps objects in a bucket of Google Cloud Storage, by its JSON API.
package gcsblob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
)

// Config says which bucket.
type Config struct {
	Bucket   string
	Prefix   string // of all keys; may be empty
	Endpoint string // empty: Google's own; of another server its root, like http://127.0.0.1:4443
	// Keys returns a bearer Token, each time that the last one has ended; an empty one is anonymous access, and so is nil.
	Keys func(context.Context) (cloud.Keys, error)
	// HTTP makes the calls, for who may not reach every address; nil is that of sdk.NewHTTPClient.
	HTTP *http.Client
	// Stall is how long a transfer may stay below 4 KiB/s, and a call without an answer; default 30 s.
	Stall time.Duration
	// AutoCreate makes a bucket that is not there, in Project.
	AutoCreate bool
	Project    string
	// Unlisted opens a bucket that the credentials may not list, as those of a single job often may not.
	Unlisted bool
	// Foreign lists keys as well that no store takes: who reads a bucket of others must know what he does not get.
	Foreign bool
}

// A Store keeps objects in a bucket, under a prefix.
type Store struct {
	*bucket.Store
	client *storage.Client
	http   *http.Client // of client, which does not let go of its connections
}

var (
	_ blob.Store = (*Store)(nil)
	_ blob.Mover = (*Store)(nil)
)

// Open makes one cheap call, so that a wrong name, wrong credentials and a wrong endpoint show at once, as a *cloud.Error.
// Its caller closes the store.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Bucket == "" {
		return nil, errors.New("no bucket is given; a store is one like gs://bucket/prefix")
	}
	if c.Stall <= 0 {
		c.Stall = 30 * time.Second
	}
	calls := c.client()
	client, err := newClient(ctx, calls, c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("open store gs://%s: %w", c.Bucket, err)
	}
	d := &api{bucket: client.Bucket(c.Bucket), project: c.Project}
	s, err := bucket.Open(ctx, bucket.Config{
		SDK: d, Stream: d.stream, Name: "gs://" + c.Bucket, Prefix: c.Prefix, Stall: c.Stall, AutoCreate: c.AutoCreate, Unlisted: c.Unlisted, Foreign: c.Foreign,
	})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &Store{s, client, calls}, nil
}

// Close lets go of connections.
func (s *Store) Close() error {
	s.http.CloseIdleConnections()
	return s.client.Close()
}

// client makes calls with a token of Keys.
func (c *Config) client() *http.Client {
	client := http.Client{Transport: sdk.NewHTTPClient().GetTransport()}
	if c.HTTP != nil && c.HTTP.Transport != nil {
		client = *c.HTTP
	}
	client.Transport = &wire{keys: cachedKeys(c.Keys), stall: c.Stall, next: client.Transport}
	return &client
}

// newClient makes each call once: the SDK looks for no credentials of its own.
func newClient(ctx context.Context, client *http.Client, endpoint string) (*storage.Client, error) {
	options := []option.ClientOption{
		option.WithHTTPClient(client), option.WithoutAuthentication(), storage.WithJSONReads(),
	}
	if endpoint != "" {
		options = append(options, option.WithEndpoint(strings.TrimSuffix(endpoint, "/")+"/storage/v1/"))
	}
	service, err := storage.NewClient(ctx, options...)
	if err != nil {
		return nil, err
	}
	service.SetRetry(storage.WithPolicy(storage.RetryNever))
	return service, nil
}
