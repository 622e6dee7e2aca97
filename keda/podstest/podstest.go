// Package podstest is a Kubernetes with nothing but pods, and workers that say how busy they are.
package podstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Namespace is where the pods are.
const Namespace = "jobs"

// Hangs, in place of a status, has a request not answered at all.
const Hangs = -1

type object = map[string]any

// A Cluster answers the calls list, watch and patch for pods as an API server does.
type Cluster struct {
	URL string

	mu       sync.Mutex
	version  int               // guarded by mu
	pods     map[string]object // guarded by mu; replaced, never changed
	log      []event           // guarded by mu: since the beginning
	oldest   int               // guarded by mu: the version that a watch can go on from
	changed  chan struct{}     // guarded by mu: closed, and replaced, at every event
	refuse   map[string]int    // guarded by mu: statuses by verb: list, watch, patch
	requests map[string]int    // guarded by mu: by verb
	ended    chan struct{}
}

type event struct {
	version int
	kind    string
	pod     object
}

// New starts a cluster without pods.
func New(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{
		version: 1, pods: map[string]object{}, changed: make(chan struct{}), refuse: map[string]int{}, requests: map[string]int{}, ended: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/"+Namespace+"/pods", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("labelSelector") != "app.kubernetes.io/name=millrace,app.kubernetes.io/component=worker" {
			refuse(w, http.StatusBadRequest)
			return
		}
		if r.URL.Query().Get("watch") != "" {
			c.watch(w, r)
			return
		}
		c.list(w, r)
	})
	mux.HandleFunc("PATCH /api/v1/namespaces/"+Namespace+"/pods/{name}", c.patch)
	s := httptest.NewServer(mux)
	c.URL = s.URL
	t.Cleanup(func() {
		close(c.ended)
		s.Close()
	})
	return c
}

// Annotate gives a pod annotations that are not ours.
func (c *Cluster) Annotate(name string, annotations map[string]string) {
	c.change(name, func(pod object) {
		for key, v := range annotations {
			pod["metadata"].(object)["annotations"].(object)[key] = v
		}
	})
}

// Add adds a pod of a class that has started and says how busy it is at w; nil: it has not started.
func (c *Cluster) Add(class string, w *Worker) (name string) {
	status := object{"phase": "Pending"}
	ports := []any{}
	if w != nil {
		host, port, _ := net.SplitHostPort(strings.TrimPrefix(w.server.URL, "http://"))
		n, _ := strconv.Atoi(port)
		ports = []any{object{"name": "other", "containerPort": 1}, object{"name": "status", "containerPort": n}}
		status = object{"phase": "Running", "podIP": host, "containerStatuses": []any{object{"state": object{"running": object{"startedAt": "2026-01-01T00:00:00Z"}}}}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name = fmt.Sprintf("millrace-%s-%d", class, len(c.log))
	c.set("ADDED", object{
		"metadata": object{
			"name": name, "uid": "uid-" + name, "labels": object{"millrace/class": class}, "annotations": object{},
			"managedFields": []any{object{"manager": strings.Repeat("kubelet ", 200)}},
		},
		"spec": object{"containers": []any{object{"name": "worker", "ports": ports}}}, "status": status,
	})
	return name
}

// Stop has Kubernetes begin to stop a pod.
func (c *Cluster) Stop(name string) {
	c.change(name, func(pod object) { pod["metadata"].(object)["deletionTimestamp"] = "2026-01-01T00:00:00Z" })
}

// Starting has a pod's container run, but not have answered Kubernetes yet.
func (c *Cluster) Starting(name string) {
	c.change(name, func(pod object) {
		pod["status"].(object)["containerStatuses"].([]any)[0].(object)["started"] = false
	})
}

// Phase changes a pod's phase.
func (c *Cluster) Phase(name, phase string) {
	c.change(name, func(pod object) { pod["status"].(object)["phase"] = phase })
}

// Remove removes a pod.
func (c *Cluster) Remove(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set("DELETED", c.pods[name])
}

// Forget has every watch begin anew from a list.
func (c *Cluster) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	c.oldest = c.version
	c.tell()
}

// Refuse has a verb (list, watch, patch) answered with a status; 0 ends that. Watches that are open end.
func (c *Cluster) Refuse(verb string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse[verb] = status
	c.tell()
}

// Annotations are those of a pod.
func (c *Cluster) Annotations(name string) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]string{}
	for key, v := range c.pods[name]["metadata"].(object)["annotations"].(object) {
		all[key] = v.(string)
	}
	return all
}

// Requests is how many requests there were of a verb.
func (c *Cluster) Requests(verb string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[verb]
}

// Await returns when done says so: it is asked after each change of anything, and after each request.
func (c *Cluster) Await(t testing.TB, done func() bool) {
	t.Helper()
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatal("it did not come")
		}
	}
}

// change has f change a copy of a pod.
func (c *Cluster) change(name string, f func(object)) object {
	c.mu.Lock()
	defer c.mu.Unlock()
	var pod object
	b, _ := json.Marshal(c.pods[name])
	_ = json.Unmarshal(b, &pod)
	f(pod)
	c.set("MODIFIED", pod)
	return pod
}

// set makes an event; mu is held.
func (c *Cluster) set(kind string, pod object) {
	c.version++
	metadata := pod["metadata"].(object)
	metadata["resourceVersion"] = strconv.Itoa(c.version)
	name := metadata["name"].(string)
	if c.pods[name] = pod; kind == "DELETED" {
		delete(c.pods, name)
	}
	c.log = append(c.log, event{c.version, kind, pod})
	c.tell()
}

// tell wakes who waits; mu is held.
func (c *Cluster) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// refused counts a request, and answers it where it is to be refused.
func (c *Cluster) refused(w http.ResponseWriter, r *http.Request, verb string) bool {
	c.mu.Lock()
	status := c.refuse[verb]
	c.requests[verb]++
	c.tell()
	c.mu.Unlock()
	switch status {
	case 0:
		return false
	case Hangs:
		select {
		case <-r.Context().Done():
		case <-c.ended:
		}
	default:
		refuse(w, status)
	}
	return true
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object{"kind": "Status", "message": "refused: " + http.StatusText(status), "code": status})
}

func (c *Cluster) list(w http.ResponseWriter, r *http.Request) {
	if c.refused(w, r, "list") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = json.NewEncoder(w).Encode(object{
		"kind": "PodList", "metadata": object{"resourceVersion": strconv.Itoa(c.version)}, "items": slices.Collect(maps.Values(c.pods)),
	})
}

func (c *Cluster) watch(w http.ResponseWriter, r *http.Request) {
	if c.refused(w, r, "watch") {
		return
	}
	at, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	encoder, flush := json.NewEncoder(w), w.(http.Flusher)
	for {
		flush.Flush()
		c.mu.Lock()
		changed, old, over := c.changed, at < c.oldest, c.refuse["watch"] != 0
		var news []event
		for _, e := range c.log {
			if e.version > at {
				news = append(news, e)
			}
		}
		c.mu.Unlock()
		switch {
		case over:
			return
		case old:
			_ = encoder.Encode(object{"type": "ERROR", "object": object{"kind": "Status", "code": http.StatusGone, "message": "too old resource version"}})
			return
		}
		for _, e := range news {
			_ = encoder.Encode(object{"type": e.kind, "object": e.pod})
			at = e.version
		}
		flush.Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-c.ended:
			return
		}
	}
}

func (c *Cluster) patch(w http.ResponseWriter, r *http.Request) {
	if c.refused(w, r, "patch") {
		return
	}
	var p struct {
		Metadata struct {
			UID         string
			Annotations map[string]*string
		}
	}
	name := r.PathValue("name")
	c.mu.Lock()
	pod := c.pods[name]
	c.mu.Unlock()
	switch err := json.NewDecoder(r.Body).Decode(&p); {
	case pod == nil:
		refuse(w, http.StatusNotFound)
		return
	case err != nil || r.Header.Get("Content-Type") != "application/merge-patch+json":
		refuse(w, http.StatusUnsupportedMediaType)
		return
	case p.Metadata.UID != "uid-"+name:
		refuse(w, http.StatusConflict)
		return
	}
	_ = json.NewEncoder(w).Encode(c.change(name, func(pod object) {
		annotations := pod["metadata"].(object)["annotations"].(object)
		for key, v := range p.Metadata.Annotations {
			if v == nil {
				delete(annotations, key)
				continue
			}
			annotations[key] = *v
		}
	}))
}
