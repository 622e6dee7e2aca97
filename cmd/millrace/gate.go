package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/cosblob"
	"github.com/millrace/millrace/modules/blob/gcsblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/launch"
)

// A gate opens the buckets that the tasks of one job name, where they may. It is the one place that decides.
//
// With the operator's keys a job touches the buckets that he lists. Where a task has keys of its own, or names a server of
// its own, it acts for itself: the operator's keys stay here, and the network's policy says which servers it may reach.
type gate struct {
	access cloud.Access
	egress egress.Policy
	// unlisted says that buckets may be touched which are in no list, where there is none.
	unlisted bool
	// person says that whoever runs the job is at the keyboard: his keys go to whatever server he names.
	person bool

	mu     sync.Mutex
	opened map[bucketKey]modules.Bucket // guarded by mu
	stores []io.Closer                  // of opened, guarded by mu
}

// gate is what a request's tasks reach buckets through.
func (r *runner) gate(req *launch.Request) *gate {
	g := &gate{
		access:   r.policy.Clouds,
		egress:   egress.Policy{AllowPrivate: r.policy.AllowPrivate, AllowHosts: r.policy.AllowHosts},
		unlisted: !r.listed && (req.Trusted || r.policy.AnyBucket),
		person:   r.admit != nil,
	}
	if req.Keys != nil {
		g.access.Keys = req.Keys
	}
	if g.access.Keys == nil {
		g.access.Keys = func(context.Context, cloud.Service) (cloud.Keys, error) { return cloud.Keys{}, errNoKeys }
	}
	return g
}

var errNoKeys = errors.New("no credentials are at hand here")

// bucketKey is a BucketRef that can be compared.
type bucketKey struct {
	ref  modules.BucketRef
	keys cloud.Keys
}

// bucket is a Call.Bucket.
func (g *gate) bucket(ctx context.Context, ref modules.BucketRef) (modules.Bucket, error) {
	key := bucketKey{ref: ref}
	if ref.Keys != nil {
		key.ref.Keys, key.keys = nil, *ref.Keys
	}
	g.mu.Lock()
	b, ok := g.opened[key]
	g.mu.Unlock()
	if ok {
		return b, nil
	}
	b, err := g.open(ctx, ref)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = map[bucketKey]modules.Bucket{}
	}
	g.opened[key] = b
	return b, nil
}

// close lets go of the connections of all buckets. What they say to that is of no use to anybody.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.stores {
		_ = s.Close()
	}
	g.opened, g.stores = nil, nil
}

func (g *gate) open(ctx context.Context, ref modules.BucketRef) (modules.Bucket, error) {
	elsewhere := ref.Endpoint != "" && !sameServer(ref.Endpoint, g.endpoint(ref.Service))
	w := way{ref: ref, region: ref.Region, endpoint: ref.Endpoint}
	if ref.Endpoint == "" {
		w.endpoint = g.endpoint(ref.Service)
	}
	switch {
	case ref.Keys != nil:
		w.keys = func(context.Context) (cloud.Keys, error) { return *ref.Keys, nil }
	case elsewhere && !g.person:
		w.keys = func(context.Context) (cloud.Keys, error) { return cloud.Keys{}, nil }
	default:
		prefixes, err := g.allows(ref)
		if err != nil {
			return nil, err
		}
		w.keys = func(ctx context.Context) (cloud.Keys, error) { return g.access.Keys(ctx, ref.Service) }
		b, err := g.reach(ctx, w)
		if err != nil || prefixes == nil {
			return b, err
		}
		return &fenced{bucket: b, name: ref.Service.Scheme() + "://" + ref.Name, prefixes: prefixes}, nil
	}
	if !g.person {
		w.http = egress.NewClient(g.policy(ref.Service))
	}
	return g.reach(ctx, w)
}

// policy is where a task goes that acts for itself: the operator's own server may be a private one, of which it reaches that
// port alone.
func (g *gate) policy(s cloud.Service) egress.Policy {
	policy := g.egress
	u, err := url.Parse(g.endpoint(s))
	if err != nil || u.Host == "" {
		return policy
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	policy.AllowHosts = append(slices.Clip(policy.AllowHosts), net.JoinHostPort(u.Hostname(), port))
	return policy
}

// endpoint is the operator's server for a service; empty is the service's own.
func (g *gate) endpoint(s cloud.Service) string {
	return map[cloud.Service]string{
		cloud.ServiceAWS: g.access.S3Endpoint, cloud.ServiceCOS: g.access.COSEndpoint, cloud.ServiceGCS: g.access.GCSEndpoint,
	}[s]
}

func sameServer(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

// allows returns the prefixes below which keys of a bucket may be touched with the operator's keys; nil is all of it.
func (g *gate) allows(ref modules.BucketRef) (prefixes []string, err error) {
	if len(g.access.Buckets) == 0 && g.unlisted {
		return nil, nil
	}
	for _, text := range g.access.Buckets {
		a, err := parseAllowed(text)
		switch {
		case err != nil:
			return nil, err
		case a.bucket != ref.Name || a.service != "" && a.service != ref.Service:
			continue
		case a.prefix == "":
			return nil, nil
		}
		prefixes = append(prefixes, a.prefix)
	}
	name := ref.Service.Scheme() + "://" + ref.Name
	switch {
	case len(g.access.Buckets) == 0:
		return nil, fault.As(fault.Permanent, fmt.Errorf("bucket %s: none is listed, and what a message brings, or is replayed without --trust, touches no other; the operator can list it with MILLRACE_BUCKETS", name))
	case prefixes == nil:
		return nil, fault.As(fault.Permanent, fmt.Errorf("bucket %s is none of those that jobs may touch; the operator can list it with MILLRACE_BUCKETS", name))
	}
	return prefixes, nil
}

// anyRegion is where a bucket of S3 is asked for whose region nobody names: the answer says where it is.
const anyRegion = "us-east-1"

// A way is how to reach a bucket.
type way struct {
	ref              modules.BucketRef
	region, endpoint string
	keys             func(context.Context) (cloud.Keys, error)
	http             *http.Client // nil is one that reaches any address
}

func (g *gate) reach(ctx context.Context, w way) (modules.Bucket, error) {
	switch w.ref.Service {
	case cloud.ServiceAWS:
		return s3blob.Open(ctx, s3blob.Config{
			AWS:    sdk.AWS{Region: cmp.Or(w.region, g.access.Region, anyRegion), Endpoint: w.endpoint, Keys: w.keys, HTTP: w.http},
			Bucket: w.ref.Name, Owner: g.access.Owner, Unlisted: true, Foreign: true,
		})
	case cloud.ServiceCOS:
		return cosblob.Open(ctx, cosblob.Config{
			COS:    sdk.COS{Region: cmp.Or(w.region, g.access.COSRegion), Endpoint: w.endpoint, Keys: w.keys, HTTP: w.http},
			Bucket: w.ref.Name, Unlisted: true, Foreign: true,
		})
	case cloud.ServiceGCS:
		s, err := gcsblob.Open(ctx, gcsblob.Config{
			Bucket: w.ref.Name, Endpoint: w.endpoint, Keys: w.keys, HTTP: w.http, AutoCreate: w.ref.Create, Project: g.access.GCSProject,
			Unlisted: true, Foreign: true,
		})
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.stores = append(g.stores, s)
		return s, nil
	}
	return nil, fmt.Errorf("%q is no service with buckets", w.ref.Service)
}

// A fenced bucket is one of which jobs may touch some prefixes alone.
type fenced struct {
	bucket   modules.Bucket // not embedded: a method that it gets would then pass unfenced
	name     string
	prefixes []string // each with a slash at its end
}

var _ modules.Bucket = (*fenced)(nil)

// may refuses a key that is below none of the prefixes.
func (f *fenced) may(key string) error {
	for _, p := range f.prefixes {
		if strings.HasPrefix(key, p) {
			return nil
		}
	}
	return fault.As(fault.Permanent, fmt.Errorf("key %q: of bucket %s jobs may touch what is below %s alone; the operator can list more with MILLRACE_BUCKETS",
		key, f.name, strings.Join(f.prefixes, " and ")))
}

func (f *fenced) Create(ctx context.Context, key string, b []byte) error {
	if err := f.may(key); err != nil {
		return err
	}
	return f.bucket.Create(ctx, key, b)
}

func (f *fenced) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	if err := f.may(key); err != nil {
		return blob.Info{}, err
	}
	return f.bucket.Put(ctx, key, r, o)
}

func (f *fenced) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	if err := f.may(key); err != nil {
		return nil, blob.Info{}, err
	}
	return f.bucket.Open(ctx, key)
}

func (f *fenced) Delete(ctx context.Context, key string) error {
	if err := f.may(key); err != nil {
		return err
	}
	return f.bucket.Delete(ctx, key)
}

func (f *fenced) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	if err := f.may(prefix); err != nil {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, err) }
	}
	return f.bucket.List(ctx, prefix, after)
}

func (f *fenced) Upload(ctx context.Context, file *os.File, key string, o blob.PutOptions) (blob.Info, error) {
	if err := f.may(key); err != nil {
		return blob.Info{}, err
	}
	return f.bucket.Upload(ctx, file, key, o)
}

func (f *fenced) Download(ctx context.Context, key string, file *os.File, maxBytes int64) (blob.Info, error) {
	if err := f.may(key); err != nil {
		return blob.Info{}, err
	}
	return f.bucket.Download(ctx, key, file, maxBytes)
}

func (f *fenced) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := f.may(key); err != nil {
		return blob.Info{}, err
	}
	return f.bucket.Stat(ctx, key)
}
