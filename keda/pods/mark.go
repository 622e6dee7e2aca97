package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
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
	// busyMark is ours: what it stands beside is ours to take back, and not the operator's.
	busyMark = "millrace/busy"
)

const (
	// busyCost is the cost of a pod that has just begun a job; each minute adds 1, up to a day's.
	busyCost = 1000
	maxAge   = 24 * time.Hour
	// coarse is by how much a cost must have changed to be written anew: the API server should not hear of every minute.
	coarse = 10
	// deniedRest is how long nothing is marked after a mark was refused.
	deniedRest = time.Minute
)

// mark has the pod's annotations say what s says, where they do not yet.
func (w *Watch) mark(ctx context.Context, p *pod, s state) {
	want := annotations(p.Metadata.Annotations, s, time.Now())
	if len(want) == 0 || !w.mayMark() {
		return
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.Metadata.UID, "annotations": want}})
	if err != nil {
		panic(fmt.Sprintf("pods: annotations that JSON can't hold: %v", err)) // they are text
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body, err := w.client.Do(ctx, http.MethodPatch, w.path(p.Metadata.Name), nil, patch)
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
	if s.Busy == 0 {
		if have[busyMark] == "" {
			return nil
		}
		return map[string]*string{busyMark: nil, keepNode: nil, safeToEvict: nil, deletionCost: new("0")}
	}
	var age time.Duration
	if !s.Oldest.IsZero() {
		age = min(max(now.Sub(s.Oldest), 0), maxAge)
	}
	cost := busyCost + int(age.Minutes())
	known, err := strconv.Atoi(have[deletionCost])
	if have[busyMark] != "" && have[keepNode] == "true" && have[safeToEvict] == "false" && err == nil && known >= busyCost && max(cost-known, known-cost) < coarse {
		return nil
	}
	return map[string]*string{busyMark: new("true"), keepNode: new("true"), safeToEvict: new("false"), deletionCost: new(strconv.Itoa(cost))}
}

// marked takes over what the API server made of a patch, unless the watch has brought something newer.
func (w *Watch) marked(was, now *pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.denied = time.Time{}
	if w.pods[was.Metadata.Name] == was {
		w.pods[was.Metadata.Name] = now.lean()
	}
}

func (w *Watch) mayMark() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.denied.IsZero() || time.Since(w.denied) > deniedRest
}

func (w *Watch) notMarked(ctx context.Context, p *pod, err error) {
	w.errors.Add(1)
	w.mu.Lock()
	first := w.denied.IsZero()
	w.denied = time.Now()
	w.mu.Unlock()
	if first {
		w.log.WarnContext(ctx, "busy pod not marked", "pod", p.Metadata.Name, "err", err)
	}
}
