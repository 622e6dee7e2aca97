package checkup

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// lookAtPods looks at the pods that there are.
func (s *survey) lookAtPods() {
	sccs := map[string]int{}
	s.check("Pods", "state", fmt.Sprintf("%d, and none is stuck", len(s.pods)), func(v *verdict) {
		for i := range s.pods {
			p := &s.pods[i]
			if scc := p.Metadata.Annotations["openshift.io/scc"]; scc != "" {
				sccs[scc]++
			}
			if p.Metadata.Deletion == "" {
				lookAtPod(v, p)
			}
		}
	})
	if len(sccs) == 0 {
		return
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(sccs)) {
		names = append(names, fmt.Sprintf("%s (%d)", name, sccs[name]))
	}
	s.check("Pods", "SCC", "admitted by "+strings.Join(names, ", "), func(v *verdict) {
		for name := range sccs {
			if !strings.HasPrefix(name, "restricted") {
				v.warn("Take the service account out of that SCC (`oc adm policy`): restricted-v2 is enough.", "%d pods were admitted by the SCC %s, which lets them do more than they need", sccs[name], name)
			}
		}
	})
}

// lookAtPod says why a pod does not run, where that is for something to mend.
func lookAtPod(v *verdict, p *pod) {
	if c := conditionOf(p.Status.Conditions, "PodScheduled"); c != nil && c.Status == "False" {
		v.warn("Make room: more nodes, smaller requests, or a lower maxReplicaCount.", "%s has no node: %s", p.Metadata.Name, c.Message)
	}
	for _, c := range append(p.Status.Init[:len(p.Status.Init):len(p.Status.Init)], p.Status.Containers...) {
		w := c.State.Waiting
		if w == nil {
			continue
		}
		switch w.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable":
			v.bad("Correct the image's name and tag, or give a Secret to pull with (components/pull-secret).", "%s: the image %s can't be had: %s", p.Metadata.Name, c.Image, text(w))
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			v.bad("Mend what the text says.", "%s can't be started: %s", p.Metadata.Name, text(w))
		case "CrashLoopBackOff":
			why := ""
			if t := c.Last.Terminated; t != nil {
				why = fmt.Sprintf(", last with exit code %d (%s)", t.Code, t.Reason)
			}
			v.bad("`kubectl logs --previous` has its last lines; exit codes are in the README.", "%s ends again and again%s", p.Metadata.Name, why)
		}
	}
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
