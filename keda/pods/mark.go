package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/keda/kubernetes"
)

// What others read off a pod. They are written while it has a job, and taken back when it has none.
const (
	// deletionCost ranks the pods of a ReplicaSet: those of least cost are stopped first. 0 where it is missing.
	deletionCost = "controller.kubernetes.io/pod-deletion-cost"
	// keepNode, "true", keeps Karpenter from emptying the pod's node.
	keepNode = "karpenter.sh/do-not-disrupt"
	// safeToEvict, "false", keeps the cluster autoscaler from it.
	safeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"
	// busyMark says that the pod was marked: "true", and the names of those of the others that stood there before. Those are
	// somebody else's, and stay as they are; but the cost is always ours.
	busyMark = "millrace/busy"
)

const (
	// busyCost is the cost of a pod that has just begun a job; each minute adds 1, up to a day's.
	busyCost = 1000
	maxAge   = 24 * time.Hour
	// coarse is by how much a cost must have changed to be written anew: the API server should not hear of every minute.
	coarse = 10
	// markFor is how long the API server may take to mark a pod.
	markFor = 5 * time.Second
	// deniedRest is how long a pod is left alone that could not be marked.
	deniedRest = time.Minute
)

// Unmark takes back the marks of a class's pods that have no job any more, and makes none.
func (w *Watch) Unmark(ctx context.Context, class string) {
	ps, _ := w.of(class)
	ps = slices.DeleteFunc(ps, func(p *pod) bool { return p.Metadata.Annotations[busyMark] == "" })
	each(len(ps), func(i int) {
		if s, err := w.ask(ctx, ps[i]); err == nil && s.Busy == 0 {
			w.mark(ctx, ps[i], s)
		}
	})
}

// mark has the pod's annotations say what s says, where they do not yet.
func (w *Watch) mark(ctx context.Context, p *pod, s state) {
	want := annotations(p.Metadata.Annotations, s, time.Now())
	if len(want) == 0 || w.rests(p) {
		return
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.Metadata.UID, "annotations": want}})
	if err != nil {
		panic(fmt.Sprintf("pods: annotations that JSON can't hold: %v", err)) // they are text
	}
	limited, cancel := context.WithTimeout(ctx, markFor)
	defer cancel()
	body, err := w.client.Do(limited, http.MethodPatch, w.path(p.Metadata.Name), nil, patch)
	if err == nil {
		var now pod
		err = json.NewDecoder(body).Decode(&now)
		if body.Close(); err == nil {
			w.marked(p, &now)
			return
		}
	}
	switch kubernetes.Refused(err) {
	case http.StatusNotFound, http.StatusConflict: // it is gone; the watch will say so
	default:
		if ctx.Err() == nil {
			w.notMarked(ctx, p, err)
		}
	}
}

// annotations are those to write, nil for those to take back, given those that there are.
func annotations(have map[string]string, s state, now time.Time) map[string]*string {
	want := map[string]*string{}
	if s.Busy == 0 && have[busyMark] == "" {
		return want
	}
	mark := "true"
	for _, hold := range [...]struct{ key, value string }{{keepNode, "true"}, {safeToEvict, "false"}} {
		switch {
		case theirs(have, hold.key):
			mark += "," + hold.key
		case s.Busy == 0:
			want[hold.key] = nil
		case have[hold.key] != hold.value:
			want[hold.key] = &hold.value
		}
	}
	if s.Busy == 0 {
		want[busyMark], want[deletionCost] = nil, new("0")
		return want
	}
	if have[busyMark] != mark {
		want[busyMark] = &mark
	}
	var age time.Duration
	if !s.Oldest.IsZero() {
		age = min(max(now.Sub(s.Oldest), 0), maxAge)
	}
	cost := busyCost + int(age.Minutes())
	if known, err := strconv.Atoi(have[deletionCost]); err != nil || max(cost-known, known-cost) >= coarse {
		want[deletionCost] = new(strconv.Itoa(cost))
	}
	return want
}

// theirs says whether an annotation stood there before the pod was marked.
func theirs(have map[string]string, key string) bool {
	return have[key] != "" && (have[busyMark] == "" || slices.Contains(strings.Split(have[busyMark], ","), key))
}

// marked takes over what the API server made of a patch, unless the watch has brought something newer.
func (w *Watch) marked(was, now *pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.denied, was.Metadata.Name)
	if w.pods[was.Metadata.Name] == was {
		w.pods[was.Metadata.Name] = now.lean()
	}
}

// rests says whether the pod could not be marked lately.
func (w *Watch) rests(p *pod) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	denied, ok := w.denied[p.Metadata.Name]
	return ok && time.Since(denied) < deniedRest
}

func (w *Watch) notMarked(ctx context.Context, p *pod, err error) {
	w.errors.Add(1)
	w.mu.Lock()
	first := len(w.denied) == 0
	if w.pods[p.Metadata.Name] != nil {
		w.denied[p.Metadata.Name] = time.Now()
	}
	w.mu.Unlock()
	if first {
		w.log.WarnContext(ctx, "busy pod not marked", "pod", p.Metadata.Name, "err", err)
	}
}
