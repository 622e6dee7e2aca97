// Package checkup looks at a deployment of workers in a cluster and says what is wrong with it. It reads, and changes nothing:
// list and get are all it needs, and questions about permissions. What it may not see, it says.
package checkup

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/worker/queue"
)

const (
	classLabel     = "millrace/class"
	componentLabel = "app.kubernetes.io/component"
	ours           = "app.kubernetes.io/name=millrace"

	// maxAnswer is how many bytes an answer of the API server's may have.
	maxAnswer = 64 << 20
	// askFor is how long one answer may take.
	askFor = 20 * time.Second
)

// Config says what is looked at.
type Config struct {
	Client    *kubernetes.Client
	Namespace string // of the workers
	Version   string // of this binary
	// IsSetting says whether workers or the scaler read a variable MILLRACE_….
	IsSetting func(name string) bool
	// Grace is how long jobs may go on after SIGTERM where a worker is not told.
	Grace time.Duration
	// Inside says that this is a pod of the cluster: what KEDA reaches can be tried.
	Inside bool
}

// A Finding is one thing that was looked at, and of what: "Deployment millrace-gpu".
type Finding struct {
	Of string
	queue.Finding
}

// A survey is one look at a cluster.
type survey struct {
	Config
	found []Finding

	deployments []deployment
	pods        []pod
	scaled      []scaledObject
	jobs        []scaledObject // ScaledJobs, as far as they have the same fields
	hpas        []autoscaler
	budgets     []budget
	nodes       []node
	configMaps  map[string]map[string]string // by name; nil is none. Those that were asked for
	secrets     map[string]map[string]keyOnly
	unseen      map[string]bool                // what could not be looked at
	vars        map[string]map[string]variable // of Deployments, by their names
	me          string                         // the API server's name for who asks
	openshift   bool
}

// Look looks at all of it.
func Look(ctx context.Context, c Config) []Finding {
	s := &survey{
		Config: c, configMaps: map[string]map[string]string{}, secrets: map[string]map[string]keyOnly{}, unseen: map[string]bool{},
		vars: map[string]map[string]variable{},
	}
	if !s.reach(ctx) {
		return s.found
	}
	s.lookAtKEDA(ctx)
	s.gather(ctx)
	if len(s.deployments) == 0 && !s.unseen["Deployments"] {
		s.add("namespace "+s.Namespace, "workers", queue.Bad, "there is no Deployment with the label "+ours,
			"Name the namespace that they are in (--namespace), or apply the manifests (docs/deploy.md).")
		return s.found
	}
	for i := range s.deployments {
		s.lookAtTold(ctx, &s.deployments[i])
		s.lookAtDeployment(&s.deployments[i])
	}
	for i := range s.scaled {
		if s.isOurs(&s.scaled[i]) {
			s.lookAtScaling(ctx, &s.scaled[i])
		}
	}
	for i := range s.jobs {
		s.check("ScaledJob "+s.jobs[i].Metadata.Name, "ready", "KEDA makes its pods", func(v *verdict) { s.lookAtConditions(v, &s.jobs[i]) })
	}
	s.lookAtImages()
	s.lookAtScaler(ctx)
	s.lookAtPods()
	return s.found
}

// reach says whether the API server answers, and who asks.
func (s *survey) reach(ctx context.Context) bool {
	var version struct {
		Text string `json:"gitVersion"`
	}
	if err := s.get(ctx, "/version", nil, &version); err != nil {
		remedy := "Check the network's rules, and the server that the kubeconfig names."
		switch kubernetes.Refused(err) {
		case http.StatusUnauthorized, http.StatusForbidden:
			remedy = "Log in again, or name another context (--context)."
		}
		s.add("the cluster", "API server", queue.Bad, strings.ReplaceAll(err.Error(), "\n", "; "), remedy)
		return false
	}
	s.me = s.whoAmI(ctx)
	s.add("the cluster", "API server", queue.Good, fmt.Sprintf("Kubernetes %s answers %s", version.Text, cmp.Or(s.me, "somebody")), "")
	s.openshift = s.get(ctx, "/apis/security.openshift.io/v1", nil, new(struct{})) == nil
	return true
}

// gather lists what the checks are about.
func (s *survey) gather(ctx context.Context) {
	in := "/namespaces/" + url.PathEscape(s.Namespace) + "/"
	s.deployments = list[deployment](ctx, s, "Deployments", "/apis/apps/v1"+in+"deployments", ours)
	s.pods = list[pod](ctx, s, "Pods", "/api/v1"+in+"pods", ours)
	s.scaled = list[scaledObject](ctx, s, "ScaledObjects", "/apis/keda.sh/v1alpha1"+in+"scaledobjects", "")
	s.jobs = list[scaledObject](ctx, s, "ScaledJobs", "/apis/keda.sh/v1alpha1"+in+"scaledjobs", ours)
	s.hpas = list[autoscaler](ctx, s, "HorizontalPodAutoscalers", "/apis/autoscaling/v2"+in+"horizontalpodautoscalers", "")
	s.budgets = list[budget](ctx, s, "PodDisruptionBudgets", "/apis/policy/v1"+in+"poddisruptionbudgets", ours)
	s.gatherNodes(ctx)
}

// list returns the objects of a path; none where they can't be listed, which is said. A kind that the cluster does not know has
// none.
func list[T any](ctx context.Context, s *survey, kind, path, selector string) []T {
	var all []T
	query := url.Values{"limit": {"500"}}
	if selector != "" {
		query.Set("labelSelector", selector)
	}
	for {
		var l struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []T `json:"items"`
		}
		err := s.get(ctx, path, query, &l)
		if kubernetes.Refused(err) == http.StatusNotFound {
			return nil
		}
		if err != nil {
			s.unsee(kind, err)
			return all
		}
		all = append(all, l.Items...)
		if l.Metadata.Continue == "" {
			return all
		}
		query.Set("continue", l.Metadata.Continue)
	}
}

// unsee says that something could not be looked at.
func (s *survey) unsee(what string, err error) {
	if s.unseen[what] {
		return
	}
	s.unseen[what] = true
	remedy := "Look again in a minute."
	switch {
	case kubernetes.Refused(err) != http.StatusForbidden:
	case what == "Secrets":
		remedy = "Look as somebody who may get them: millrace doctor --namespace " + s.Namespace + ", from a laptop."
	default:
		remedy = "Look as somebody who may get and list them, or give the right: deploy/components/doctor is a Role for it."
	}
	s.add("the cluster", "not looked at", queue.Warning, fmt.Sprintf("%s: %s", what, strings.ReplaceAll(err.Error(), "\n", "; ")), remedy)
}

// get reads one answer of the API server's.
func (s *survey) get(ctx context.Context, path string, query url.Values, into any) error {
	return s.ask(ctx, http.MethodGet, path, query, nil, into)
}

func (s *survey) ask(ctx context.Context, method, path string, query url.Values, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	answer, err := s.Client.Do(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(io.LimitReader(answer, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}

func (s *survey) add(of, check string, level queue.Level, text, remedy string) {
	s.found = append(s.found, Finding{of, queue.Finding{Check: check, Level: level, Text: text, Remedy: remedy}})
}

// A verdict is what one check found wrong.
type verdict struct {
	survey    *survey
	of, check string
	wrong     bool // anything is said, or can't be told
	failed    bool // an error is
}

func (v *verdict) bad(remedy, format string, args ...any) {
	v.wrong, v.failed = true, true
	v.survey.add(v.of, v.check, queue.Bad, fmt.Sprintf(format, args...), remedy)
}

func (v *verdict) warn(remedy, format string, args ...any) {
	v.wrong = true
	v.survey.add(v.of, v.check, queue.Warning, fmt.Sprintf(format, args...), remedy)
}

// unsure says that the check can't be called good: what it looks at could not be seen, which is said elsewhere.
func (v *verdict) unsure(unseen ...string) {
	for _, what := range unseen {
		v.wrong = v.wrong || v.survey.unseen[what]
	}
}

// check runs a look at something; good is said where it found nothing wrong, and nothing where that is empty.
func (s *survey) check(of, check, good string, look func(v *verdict)) {
	v := &verdict{survey: s, of: of, check: check}
	look(v)
	if !v.wrong && good != "" {
		s.add(of, check, queue.Good, good, "")
	}
}
