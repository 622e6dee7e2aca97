// Package pods knows which pods of workers there are, asks them how busy they are, and tells Kubernetes which of them it
// should rather not stop.
//
// It needs the verbs list, watch and patch for pods of one namespace, and nothing else. Several may do so at once: what they
// write follows from what the pods say, so they write the same.
package pods

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/keda/kubernetes"
)

const (
	// ClassLabel of a pod is the class of jobs that its worker takes.
	ClassLabel = "millrace/class"
	// DefaultSelector finds the pods of workers.
	DefaultSelector = "app.kubernetes.io/name=millrace,app.kubernetes.io/component=worker"

	// portName is the name of the port, in a pod's manifest, where its worker says how busy it is.
	portName    = "status"
	defaultPort = 8081

	// patience is how long the API server may not be heard before the list of pods is no longer believed to be whole.
	patience = 30 * time.Second
)

// Config says which pods.
type Config struct {
	API       kubernetes.API
	Namespace string       // required
	Selector  string       // of labels; default DefaultSelector
	Log       *slog.Logger // default: nothing is logged
}

// A Watch knows the pods of workers while its Run goes on.
type Watch struct {
	client    *kubernetes.Client
	busy      *http.Client
	namespace string
	selector  string
	log       *slog.Logger
	errors    atomic.Int64
	known     chan struct{} // closed when pods were listed for the first time

	mu     sync.Mutex
	pods   map[string]*pod      // guarded by mu; by name. A pod is replaced, never changed
	listed bool                 // guarded by mu
	deaf   time.Time            // guarded by mu: since when the API server is not heard; zero: it is
	denied map[string]time.Time // guarded by mu: when pods, by name, could not be marked
}

// New makes no request.
func New(c Config) (*Watch, error) {
	client, err := kubernetes.New(c.API)
	if err == nil && c.Namespace == "" {
		err = errors.New("no namespace is given, and this is no pod of Kubernetes, which would say its own")
	}
	if err != nil {
		return nil, fmt.Errorf("watch pods: %w", err)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Watch{
		client: client, busy: newAsker(), namespace: c.Namespace, selector: cmp.Or(c.Selector, DefaultSelector), log: c.Log,
		known: make(chan struct{}), pods: map[string]*pod{}, denied: map[string]time.Time{},
	}, nil
}

// Namespace is where the pods are looked for.
func (w *Watch) Namespace() string { return w.namespace }

// Errors is how often the API server did not do what it was asked for.
func (w *Watch) Errors() int64 { return w.errors.Load() }

// Known is closed once the pods are known.
func (w *Watch) Known() <-chan struct{} { return w.known }

// Run keeps the list current until ctx ends. An API server that fails is asked again, more and more slowly.
func (w *Watch) Run(ctx context.Context) {
	defer w.client.Close()
	defer w.busy.CloseIdleConnections()
	var version string
	pause := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		var err error
		if version == "" {
			version, err = w.list(ctx)
		}
		if err == nil {
			version, err = w.follow(ctx, version)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause = time.Second
		case errors.Is(err, errOld):
			version = ""
		default:
			version = ""
			w.heard(err)
			pause = min(2*pause, patience)
		}
		rest(ctx, pause-time.Since(began))
	}
}

// heard notes that the API server answered, or why it did not, which is logged once.
func (w *Watch) heard(err error) {
	w.mu.Lock()
	first := w.deaf.IsZero()
	switch {
	case err == nil:
		w.deaf = time.Time{}
	case first:
		w.deaf = time.Now()
	}
	w.mu.Unlock()
	if err == nil {
		if !first {
			w.log.Info("pods are known again")
		}
		return
	}
	w.errors.Add(1)
	if first {
		w.log.Warn("pods not known", "err", err)
	}
}

// rest waits, at most until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
