package checkup

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/worker/queue"
)

// lookAtScaler looks at what KEDA asks, and whether it can.
func (s *survey) lookAtScaler(ctx context.Context) {
	asked := s.lookAtAddresses(ctx, "ScaledObject ", s.scaled)
	if asked = s.lookAtAddresses(ctx, "ScaledJob ", s.jobs) || asked; !asked {
		return
	}
	at := slices.IndexFunc(s.deployments, func(d deployment) bool { return d.isScaler() })
	if at < 0 {
		if !s.unseen["Deployments"] {
			s.add("Scaler", "pods", queue.Bad, "there is no Deployment of the scaler, which KEDA is to ask", "Apply it: `millrace gen scaler`, or deploy/base/scaler.yaml.")
		}
		return
	}
	d := &s.deployments[at]
	s.check("Scaler", "pods", fmt.Sprintf("%d ready", d.Status.Ready), func(v *verdict) {
		if d.Status.Ready == 0 {
			v.bad("Look at its log: `kubectl logs deployment/"+d.Metadata.Name+"`.", "none of its pods is ready: KEDA gets no answer, and wakes nobody")
		}
	})
	s.lookAtQueues(d)
	s.lookAtRights(ctx, d)
}

// lookAtAddresses looks at the addresses that triggers of some objects name, and says whether there are any.
func (s *survey) lookAtAddresses(ctx context.Context, kind string, all []scaledObject) (asked bool) {
	for i := range all {
		for j := range all[i].Spec.Triggers {
			if t := &all[i].Spec.Triggers[j]; t.isOurs() && s.isOurs(&all[i]) {
				asked = true
				s.lookAtAddress(ctx, kind+all[i].Metadata.Name, t)
			}
		}
	}
	return asked
}

// lookAtAddress looks whether the address that a trigger names leads to the scaler.
func (s *survey) lookAtAddress(ctx context.Context, of string, t *trigger) {
	address := t.Metadata["scalerAddress"]
	s.check("Scaler", "address", s.addressText(of, address), func(v *verdict) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			v.bad("Write it like millrace-scaler.millrace.svc:9090.", "%s asks %q, which is no address", of, address)
			return
		}
		if part := strings.Split(host, "."); len(part) > 2 && part[2] == "svc" {
			s.lookAtService(ctx, v, of, part[0], part[1], port)
		} else if net.ParseIP(host) == nil {
			v.warn("Write NAME.NAMESPACE.svc: KEDA runs in another namespace.", "%s asks %s, which is no whole name of a Service", of, host)
		}
		way := s.lookAtTLS(ctx, v, of, t)
		v.unsure("Services", "TriggerAuthentications", "ConfigMaps")
		if s.Inside && !v.failed {
			if err := way.try(ctx, address); err != nil {
				v.bad("Check the Service, the NetworkPolicy, DNS and the certificate.", "%s can't be reached from here: %v", address, err)
			}
		}
	})
}

func (s *survey) addressText(of, address string) string {
	if !s.Inside {
		return fmt.Sprintf("%s asks %s, which was not tried from here", of, address)
	}
	return fmt.Sprintf("%s asks %s, which answers", of, address)
}

func (s *survey) lookAtService(ctx context.Context, v *verdict, of, name, namespace, port string) {
	if namespace != s.Namespace {
		v.warn("Name the Service of this namespace, unless one scaler is meant for several.", "%s asks the scaler of namespace %s", of, namespace)
		return
	}
	var svc service
	err := s.get(ctx, s.path("services", name), nil, &svc)
	switch {
	case kubernetes.Refused(err) == http.StatusNotFound:
		v.bad("Apply the Service, or correct scalerAddress.", "%s asks Service %s, and there is none of that name", of, name)
	case err != nil:
		s.unsee("Services", err)
	case !slices.ContainsFunc(svc.Spec.Ports, func(p servicePort) bool {
		return strconv.Itoa(p.Port) == port
	}):
		v.bad("Correct the port of scalerAddress.", "%s asks port %s, which Service %s has not", of, port, name)
	}
}

// lookAtQueues looks whether the scaler watches the queues that workers take from.
func (s *survey) lookAtQueues(d *deployment) {
	if s.unseen["ConfigMaps"] {
		return
	}
	watched, told := map[string]string{}, s.vars[d.Metadata.Name]["MILLRACE_QUEUE"]
	if told.secret {
		s.check("Scaler", "queues", "", func(v *verdict) { v.unread(d.Metadata.Name) })
		return
	}
	for part := range strings.SplitSeq(told.value, ",") {
		name, ref, _ := strings.Cut(strings.TrimSpace(part), "=")
		watched[name], _, _ = strings.Cut(ref, "?")
	}
	s.check("Scaler", "queues", "it watches those that workers take from", func(v *verdict) {
		for i := range s.scaled {
			so := &s.scaled[i]
			s.lookAtClass(v, so)
			for _, t := range so.Spec.Triggers {
				name := t.Metadata["queue"]
				if !t.isOurs() {
					continue
				}
				place, known := watched[name]
				if !known {
					v.bad("Name it in queues.env (all), or correct the trigger's queue.", "ScaledObject %s asks for the queue %q, which the scaler does not know", so.Metadata.Name, name)
					continue
				}
				told := s.vars[so.Spec.Target.Name]["MILLRACE_QUEUE"]
				if told.secret {
					v.unread(so.Spec.Target.Name)
					continue
				}
				takes := told.value
				if takes, _, _ = strings.Cut(takes, "?"); takes != place && takes != "" && !strings.Contains(takes, ",") {
					v.bad("Name the same queue in both (queues.env).", "the scaler counts %s for %q, and %s takes from %s", place, name, so.Spec.Target.Name, takes)
				}
			}
		}
	})
}

// unread says that a Deployment's queue is in a Secret.
func (v *verdict) unread(name string) {
	v.warn("Name it in queues.env: it is no secret.", "MILLRACE_QUEUE of %s is in a Secret, which is not read: whether the scaler counts what its workers take from can't be told", name)
}

// lookAtClass looks whether the scaler finds the pods that a ScaledObject scales: by the class that is called as their queue.
func (s *survey) lookAtClass(v *verdict, so *scaledObject) {
	var ours []string
	for i := range so.Spec.Triggers {
		if t := &so.Spec.Triggers[i]; t.isOurs() {
			ours = append(ours, t.Metadata["queue"])
		}
	}
	at := slices.IndexFunc(s.deployments, func(d deployment) bool { return d.Metadata.Name == so.Spec.Target.Name })
	if at < 0 || len(ours) == 0 {
		return
	}
	if class := s.deployments[at].Spec.Template.Metadata.Labels[classLabel]; !slices.Contains(ours, class) {
		v.bad("Label the pods "+classLabel+"="+ours[0]+", or call the queue as their class.",
			"pods of %s are of class %q, and ScaledObject %s asks for %q: their jobs don't count", so.Spec.Target.Name, class, so.Metadata.Name, ours[0])
	}
}
