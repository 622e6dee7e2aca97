package checkup

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/worker/queue"
)

// leastKEDA is the minor version of KEDA 2 that our ScaledObjects are for.
const leastKEDA = 17

// lookAtKEDA looks whether KEDA is there, answers the autoscaler, and is new enough.
func (s *survey) lookAtKEDA(ctx context.Context) {
	const of = "KEDA"
	err := s.get(ctx, "/apis/keda.sh/v1alpha1", nil, new(struct{}))
	switch {
	case kubernetes.Refused(err) == http.StatusNotFound:
		s.add(of, "installed", queue.Bad, "the API server knows no keda.sh: nothing starts a worker", "Install KEDA, on OpenShift the Custom Metrics Autoscaler (docs/deploy.md).")
		return
	case err != nil:
		s.unsee("KEDA", err)
		return
	}
	s.check(of, "metrics", "its metrics adapter answers", func(v *verdict) {
		err := s.get(ctx, "/apis/external.metrics.k8s.io/v1beta1", nil, new(struct{}))
		switch {
		case kubernetes.Refused(err) == http.StatusForbidden, kubernetes.Refused(err) == http.StatusUnauthorized:
			s.unsee("external metrics", err)
			v.unsure("external metrics")
		case err != nil:
			v.bad("Look at the APIService v1beta1.external.metrics.k8s.io and at the pods of KEDA's metrics adapter: another program may have taken it.",
				"nobody serves external metrics (%v): one pod is started, and never a second", err)
		}
	})
	version, err := s.kedaVersion(ctx)
	if version == "" {
		text := "its version can't be told: there is no Deployment keda-operator in keda or openshift-keda"
		if err != nil {
			text = "its version can't be told: " + err.Error()
		}
		s.add(of, "version", queue.Warning, text, "See that it is 2."+strconv.Itoa(leastKEDA)+" or later.")
		return
	}
	s.check(of, "version", version, func(v *verdict) {
		major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
		minor, _, _ := strings.Cut(rest, ".")
		m, err := strconv.Atoi(minor)
		if n, majorErr := strconv.Atoi(major); err == nil && majorErr == nil && (n < 2 || n == 2 && m < leastKEDA) {
			v.warn("Install 2."+strconv.Itoa(leastKEDA)+" or later.", "%s is older than what these ScaledObjects are for", version)
		}
	})
}

// kedaVersion is empty where it can't be told; err is what kept it.
func (s *survey) kedaVersion(ctx context.Context) (version string, err error) {
	for _, namespace := range []string{"keda", "openshift-keda"} {
		var d deployment
		failed := s.get(ctx, "/apis/apps/v1/namespaces/"+namespace+"/deployments/keda-operator", nil, &d)
		if failed != nil {
			if kubernetes.Refused(failed) != http.StatusNotFound {
				err = failed
			}
			continue
		}
		version = d.Metadata.Labels["app.kubernetes.io/version"]
		for _, c := range d.Spec.Template.Spec.Containers {
			version = cmp.Or(version, tagOf(c.Image))
		}
		return version, nil
	}
	return "", err
}

// tagOf is the tag of an image; empty where it has none.
func tagOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name := image[strings.LastIndexByte(image, '/')+1:]
	_, tag, _ := strings.Cut(name, ":")
	return tag
}
