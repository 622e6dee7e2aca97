package pods

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/millrace/millrace/keda/kubernetes"
)

const (
	// maxList is how many bytes a list of pods may have: some ten thousand pods.
	maxList = 256 << 20
	// maxEvent is how many bytes one pod may have; etcd takes no larger object.
	maxEvent = 4 << 20
	// watchFor is how long one watch lasts, at most. The next goes on where it ended.
	watchFor = 4 * time.Minute
)

// A pod is what counts of one.
type pod struct {
	Metadata struct {
		Name            string            `json:"name"`
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Deletion        string            `json:"deletionTimestamp"`
		Labels          map[string]string `json:"labels"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Ports []struct {
				Name   string `json:"name"`
				Number int    `json:"containerPort"`
			} `json:"ports"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase      string            `json:"phase"`
		IP         string            `json:"podIP"`
		Containers []containerStatus `json:"containerStatuses"`
	} `json:"status"`
}

type containerStatus struct {
	Started *bool `json:"started"` // false until the startup probe has passed
	State   struct {
		Running *struct{} `json:"running"`
	} `json:"state"`
}

// lean drops what others have written to the pod, which may be long.
func (p *pod) lean() *pod {
	of := func(all map[string]string, keys ...string) map[string]string {
		kept := map[string]string{}
		for _, key := range keys {
			if v, ok := all[key]; ok {
				kept[key] = v
			}
		}
		return kept
	}
	p.Metadata.Labels = of(p.Metadata.Labels, ClassLabel)
	p.Metadata.Annotations = of(p.Metadata.Annotations, busyMark, deletionCost, keepNode, safeToEvict)
	return p
}

// works says whether the pod may have a job that nobody takes from it: a container of it runs, be others still to come, and
// it is not on its way out. The jobs of one that is are done there, or come back: no replica is needed for them.
func (p *pod) works() bool {
	if p.Metadata.Deletion != "" || p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" || p.Status.IP == "" {
		return false
	}
	for _, c := range p.Status.Containers {
		if c.State.Running != nil {
			return true
		}
	}
	return false
}

// started says whether the pod's worker had begun to answer. One that has not has no job: a pod that ends before it answers,
// again and again, keeps no replica.
func (p *pod) started() bool {
	for _, c := range p.Status.Containers {
		if c.State.Running != nil && (c.Started == nil || *c.Started) {
			return true
		}
	}
	return false
}

// port is where the pod says how busy it is.
func (p *pod) port() int {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == portName {
				return port.Number
			}
		}
	}
	return defaultPort
}

// list replaces what is known by a list, and returns its version.
func (w *Watch) list(ctx context.Context) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	// any version will do: the API server answers from its memory
	body, err := w.client.Do(ctx, http.MethodGet, w.path(""), url.Values{"labelSelector": {w.selector}, "resourceVersion": {"0"}}, nil)
	if err != nil {
		return "", fmt.Errorf("list pods of %s: %w", w.namespace, err)
	}
	defer body.Close()
	pods, version, err := readList(io.LimitReader(body, maxList))
	if err != nil {
		return "", fmt.Errorf("read the list of pods of %s: %w", w.namespace, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pods = pods
	maps.DeleteFunc(w.denied, func(name string, _ time.Time) bool { return w.pods[name] == nil })
	if !w.listed {
		w.listed = true
		close(w.known)
	}
	return version, nil
}

// readList reads pods by name, one at a time: all of them may be many megabytes.
func readList(r io.Reader) (pods map[string]*pod, version string, err error) {
	pods = map[string]*pod{}
	d := json.NewDecoder(r)
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil, "", cmp.Or(err, errNoList)
	}
	for d.More() {
		key, err := d.Token()
		switch {
		case err != nil:
		case key == "metadata":
			var m struct {
				ResourceVersion string `json:"resourceVersion"`
			}
			err = d.Decode(&m)
			version = m.ResourceVersion
		case key == "items":
			err = readItems(d, pods)
		default:
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return nil, "", err
		}
	}
	_, err = d.Token()
	return pods, version, err
}

func readItems(d *json.Decoder, pods map[string]*pod) error {
	begin, err := d.Token()
	if err != nil || begin == nil { // null is none
		return err
	}
	for d.More() {
		var p pod
		if err := d.Decode(&p); err != nil {
			return err
		}
		pods[p.Metadata.Name] = p.lean()
	}
	_, err = d.Token()
	return err
}

// errNoList is for an answer that is something else.
var errNoList = errors.New("it is none")

// errOld says that the API server has forgotten the version that a watch was to go on from.
var errOld = errors.New("the watch of pods can't go on from where it was")

// follow keeps what is known current from a version on, and returns how far it came. errOld where a list is needed.
func (w *Watch) follow(ctx context.Context, version string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, watchFor+30*time.Second)
	defer cancel()
	body, err := w.client.Do(ctx, http.MethodGet, w.path(""), url.Values{
		"labelSelector": {w.selector}, "resourceVersion": {version}, "watch": {"1"}, "allowWatchBookmarks": {"true"},
		"timeoutSeconds": {strconv.Itoa(int(watchFor.Seconds()))},
	}, nil)
	if err != nil {
		if kubernetes.Refused(err) == http.StatusGone {
			err = errOld
		}
		return version, err
	}
	defer body.Close()
	w.heard(nil)
	limited := &io.LimitedReader{R: body}
	for d := json.NewDecoder(limited); ; {
		limited.N = maxEvent
		var e struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return version, nil
		} else if err != nil {
			return version, fmt.Errorf("watch pods of %s: %w", w.namespace, err)
		}
		if e.Type == "ERROR" {
			return version, errOld
		}
		var p pod
		if err := json.Unmarshal(e.Object, &p); err != nil {
			return version, fmt.Errorf("read a pod of %s: %w", w.namespace, err)
		}
		version = cmp.Or(p.Metadata.ResourceVersion, version)
		w.keep(e.Type, &p)
	}
}

// keep takes over what one event says.
func (w *Watch) keep(event string, p *pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch event {
	case "ADDED", "MODIFIED":
		w.pods[p.Metadata.Name] = p.lean()
	case "DELETED":
		delete(w.pods, p.Metadata.Name)
		delete(w.denied, p.Metadata.Name)
	}
}

// of returns the pods of a class that may have jobs.
func (w *Watch) of(class string) (ps []*pod, complete bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range maps.Values(w.pods) {
		if p.Metadata.Labels[ClassLabel] == class && p.works() {
			ps = append(ps, p)
		}
	}
	return ps, w.listed && (w.deaf.IsZero() || time.Since(w.deaf) < patience)
}

func (w *Watch) path(name string) string {
	path := "/api/v1/namespaces/" + url.PathEscape(w.namespace) + "/pods"
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	return path
}
