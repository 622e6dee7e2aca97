package checkup

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/worker/queue"
)

// A plight is what keeps pods from running.
type plight struct {
	level        queue.Level
	what, plural string // "has no node", "have no node"
	why, remedy  string
}

// lookAtPods looks at the pods that there are. Those that have the same plight are told of together.
func (s *survey) lookAtPods() {
	s.check("Pods", "state", fmt.Sprintf("%d, and none is stuck", len(s.pods)), func(v *verdict) {
		stuck, order := map[plight][]string{}, []plight{}
		for i := range s.pods {
			p := &s.pods[i]
			if p.Metadata.Deletion != "" {
				continue
			}
			for _, is := range plights(p) {
				if stuck[is] == nil {
					order = append(order, is)
				}
				stuck[is] = append(stuck[is], p.Metadata.Name)
			}
		}
		v.unsure("Pods")
		for _, is := range order {
			tell, what, names := v.bad, is.what, stuck[is][0]
			if is.level == queue.Warning {
				tell = v.warn
			}
			if len(stuck[is]) > 1 {
				what, names = is.plural, names+", …"
			}
			tell(is.remedy, "%d %s (%s): %s", len(stuck[is]), what, names, is.why)
		}
	})
	s.lookAtSCCs()
}

// lookAtSCCs looks at what OpenShift has admitted the pods by.
func (s *survey) lookAtSCCs() {
	sccs := map[string]int{}
	for i := range s.pods {
		if scc := s.pods[i].Metadata.Annotations["openshift.io/scc"]; scc != "" {
			sccs[scc]++
		}
	}
	if len(sccs) == 0 {
		return
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(sccs)) {
		names = append(names, fmt.Sprintf("%s (%d)", name, sccs[name]))
	}
	s.check("Pods", "SCC", "admitted by "+strings.Join(names, ", "), func(v *verdict) {
		for _, name := range slices.Sorted(maps.Keys(sccs)) {
			if !strings.HasPrefix(name, "restricted") {
				v.warn("Take the service account out of that SCC (`oc adm policy`): restricted-v2 is enough.", "admitted by the SCC %s, which lets them do more than they need (%d)", name, sccs[name])
			}
		}
	})
}

// plights are why a pod does not run, where that is for something to mend.
func plights(p *pod) (all []plight) {
	if c := conditionOf(p.Status.Conditions, "PodScheduled"); c != nil && c.Status == "False" {
		all = append(all, plight{queue.Warning, "has no node", "have no node", c.Message, "Make room: more nodes, smaller requests, or a lower maxReplicaCount."})
	}
	for _, c := range append(p.Status.Init[:len(p.Status.Init):len(p.Status.Init)], p.Status.Containers...) {
		w := c.State.Waiting
		if w == nil {
			continue
		}
		switch w.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable":
			what := "can't get the image " + c.Image
			all = append(all, plight{queue.Bad, what, what, text(w), "Correct the image's name and tag, or give a Secret to pull with (components/pull-secret)."})
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			all = append(all, plight{queue.Bad, "can't be started", "can't be started", text(w), "Mend what the text says."})
		case "CrashLoopBackOff":
			why := "CrashLoopBackOff"
			if t := c.Last.Terminated; t != nil {
				why = fmt.Sprintf("exit code %d, %s", t.Code, t.Reason)
			}
			all = append(all, plight{queue.Bad, "ends again and again", "end again and again", why, "`kubectl logs --previous` has its last lines; exit codes are in the README."})
		}
	}
	return all
}

func text(c *condition) string {
	if c.Message == "" {
		return c.Reason
	}
	return c.Reason + ": " + c.Message
}

// lookAtImages holds the versions of the images against each other, and against this binary's.
func (s *survey) lookAtImages() {
	tags := map[string][]string{}
	for i := range s.deployments {
		for _, c := range s.deployments[i].Spec.Template.Spec.Containers {
			if c.Name == "worker" || c.Name == "scaler" {
				tags[tagOf(c.Image)] = append(tags[tagOf(c.Image)], s.deployments[i].Metadata.Name)
			}
		}
	}
	var all []string
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		name := tag
		if name == "" {
			name = "none"
		}
		all = append(all, fmt.Sprintf("%s (%s)", name, strings.Join(tags[tag], ", ")))
	}
	s.check("Images", "version", strings.Join(all, "; "), func(v *verdict) {
		if len(tags) > 1 {
			v.warn("Give all of them one version.", "their tags differ: %s", strings.Join(all, "; "))
		}
		for tag, of := range tags {
			switch {
			case tag == "" || tag == "latest":
				v.warn("Name a version: a node that has an older image of that name goes on with it.", "the tag of %s does not say which version they are", strings.Join(of, ", "))
			case isVersion(tag) && isVersion(s.Version) && bare(tag) != bare(s.Version):
				v.warn("Look with the program of that version: settings and rules may differ.", "%s have version %s, and this program is %s", strings.Join(of, ", "), tag, s.Version)
			}
		}
	})
}

func bare(version string) string { return strings.TrimPrefix(version, "v") }

// isVersion says whether a text begins as a version does: 1.2 or v1.2.
func isVersion(text string) bool {
	text = bare(text)
	return text != "" && text[0] >= '0' && text[0] <= '9' && strings.Contains(text, ".")
}
