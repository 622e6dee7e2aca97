package checkup

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/millrace/millrace/keda/kubernetes"
)

// A variable is one of a container's environment. What a Secret holds is not read.
type variable struct {
	value  string
	secret bool
}

// lookAtSettings looks whether what a container is told is there, and returns it as far as it can be known.
func (s *survey) lookAtSettings(ctx context.Context, of string, d *deployment, c *container) map[string]variable {
	vars := map[string]variable{}
	s.check(of, "settings", "all that its variables name is there", func(v *verdict) {
		for _, from := range c.EnvFrom {
			s.allOf(ctx, v, from.ConfigMap, from.Secret, vars)
		}
		for _, e := range c.Env {
			switch {
			case e.From == nil:
				vars[e.Name] = variable{value: e.Value}
			case e.From.ConfigMap != nil:
				s.fromConfigMap(ctx, v, e.Name, *e.From.ConfigMap, vars)
			case e.From.Secret != nil:
				s.fromSecret(ctx, v, e.Name, *e.From.Secret, vars)
			}
		}
		s.lookAtVolumes(ctx, v, &d.Spec.Template.Spec)
		for _, name := range slices.Sorted(maps.Keys(vars)) {
			if strings.HasPrefix(name, "MILLRACE_") && !s.IsSetting(name) {
				v.warn("Correct its name, or take it out: `millrace work --help` lists what there is.", "%s is no setting, and nobody reads it", name)
			}
		}
		if s.unseen["ConfigMaps"] || s.unseen["Secrets"] {
			v.wrong = true // what is not there may be in what can't be seen
			return
		}
		if !d.isScaler() && d.class() != "" {
			s.lookAtStore(v, vars)
		}
		s.lookAtKeys(ctx, v, d, vars)
	})
	return vars
}

// allOf takes in all that a ConfigMap or a Secret has.
func (s *survey) allOf(ctx context.Context, v *verdict, configMap, secret *reference, vars map[string]variable) {
	if configMap != nil {
		data, known := s.configMap(ctx, configMap.Name)
		if known && data == nil && !configMap.Optional {
			v.bad("Apply the manifests again: kustomize makes it of settings.env.", "there is no ConfigMap %s, so no pod starts", configMap.Name)
		}
		for key, value := range data {
			vars[key] = variable{value: value}
		}
	}
	if secret != nil {
		keys, known := s.secret(ctx, secret.Name)
		if known && keys == nil && !secret.Optional {
			v.bad("Make it.", "there is no Secret %s, so no pod starts", secret.Name)
		}
		for key := range keys {
			vars[key] = variable{secret: true}
		}
	}
}

func (s *survey) fromConfigMap(ctx context.Context, v *verdict, name string, r reference, vars map[string]variable) {
	data, known := s.configMap(ctx, r.Name)
	if value, ok := data[r.Key]; ok {
		vars[name] = variable{value: value}
		return
	}
	if known && !r.Optional {
		v.bad("Name it there (queues.env, settings.env), and apply the manifests again.", "ConfigMap %s has no %s, which %s is to be, so no pod starts", r.Name, r.Key, name)
	}
}

func (s *survey) fromSecret(ctx context.Context, v *verdict, name string, r reference, vars map[string]variable) {
	keys, known := s.secret(ctx, r.Name)
	_, ok := keys[r.Key]
	switch {
	case ok || !known:
		vars[name] = variable{secret: true}
	case !r.Optional:
		v.bad("Make it, or give it that key.", "Secret %s has no %s, which %s is to be, so no pod starts", r.Name, r.Key, name)
	case keys != nil:
		v.warn("Give it that key: docs/deploy.md has the names.", "Secret %s is there and has no %s, so %s is not set", r.Name, r.Key, name)
	}
}

// lookAtVolumes looks whether what is to be mounted is there.
func (s *survey) lookAtVolumes(ctx context.Context, v *verdict, spec *podSpec) {
	for _, volume := range spec.Volumes {
		if r := volume.ConfigMap; r != nil && !r.Optional {
			if data, known := s.configMap(ctx, r.Name); known && data == nil {
				v.bad("Make it, or take the volume out.", "there is no ConfigMap %s to mount, so no pod starts", r.Name)
			}
		}
		if r := volume.Secret; r != nil && !r.Optional {
			if keys, known := s.secret(ctx, r.Name); known && keys == nil {
				v.bad("Make it, or take the volume out.", "there is no Secret %s to mount, so no pod starts", r.Name)
			}
		}
	}
}

// lookAtStore looks whether what the worker records stays.
func (s *survey) lookAtStore(v *verdict, vars map[string]variable) {
	store, queue := vars["MILLRACE_STORE"], vars["MILLRACE_QUEUE"]
	if !store.secret && !strings.Contains(store.value, "://") {
		v.bad("Set MILLRACE_STORE to s3://bucket/prefix or cos://bucket/prefix.", "records and outputs go with the pod: MILLRACE_STORE is %s", orNothing(store.value))
	}
	if strings.Contains(store.value, "CHANGE-ME") {
		v.bad("Name your bucket in settings.env.", "MILLRACE_STORE is the example's: %s", store.value)
	}
	if !queue.secret && (queue.value == "" || queue.value == "local") {
		v.bad("Name the queue of its class in queues.env.", "MILLRACE_QUEUE is %s: it takes no messages but its own", orNothing(queue.value))
	}
}

func orNothing(text string) string {
	if text == "" {
		return "not set"
	}
	return text
}

// lookAtKeys looks whether whoever asks queues and stores has keys for it, or a role.
func (s *survey) lookAtKeys(ctx context.Context, v *verdict, d *deployment, vars map[string]variable) {
	places := vars["MILLRACE_QUEUE"].value + "," + vars["MILLRACE_STORE"].value
	_, key := vars["AWS_ACCESS_KEY_ID"]
	if isAWS(places) && !key && !s.hasRole(ctx, d) {
		v.warn("Make the Secret aws-credentials, or bind a role (components/irsa, components/pod-identity).",
			"no key for AWS is there, and no role that can be seen from here")
	}
	given := slices.ContainsFunc([]string{"MILLRACE_COS_ACCESS_KEY_ID", "MILLRACE_COS_API_KEY", "MILLRACE_COS_CREDENTIALS"}, func(name string) bool {
		_, ok := vars[name]
		return ok
	})
	if strings.Contains(places, "cos://") && !given {
		v.bad("Make the Secret cos-credentials with access_key_id and secret_access_key, or set MILLRACE_COS_API_KEY in the Secret millrace.", "no key for COS is there")
	}
}

// isAWS says whether any of some queues and stores is AWS's.
func isAWS(places string) bool {
	return strings.Contains(places, "sqs:") || strings.Contains(places, "://sqs.") || strings.Contains(places, "s3://")
}

// hasRole says whether the Deployment's service account is bound to a role of AWS, as far as can be seen.
func (s *survey) hasRole(ctx context.Context, d *deployment) bool {
	var a serviceAccount
	name := d.Spec.Template.Spec.Account
	if name == "" {
		name = "default"
	}
	err := s.get(ctx, s.path("serviceaccounts", name), nil, &a)
	if err != nil && kubernetes.Refused(err) != http.StatusNotFound {
		s.unsee("ServiceAccounts", err)
		return true
	}
	return a.Metadata.Annotations["eks.amazonaws.com/role-arn"] != ""
}

func (s *survey) path(kind, name string) string {
	return fmt.Sprintf("/api/v1/namespaces/%s/%s/%s", url.PathEscape(s.Namespace), kind, url.PathEscape(name))
}

// configMap is what one holds, nil where there is none. known is false where that can't be told.
func (s *survey) configMap(ctx context.Context, name string) (data map[string]string, known bool) {
	if data, asked := s.configMaps[name]; asked {
		return data, true
	}
	var c configMap
	switch err := s.get(ctx, s.path("configmaps", name), nil, &c); {
	case err == nil && c.Data == nil:
		c.Data = map[string]string{}
	case err != nil && kubernetes.Refused(err) != http.StatusNotFound:
		s.unsee("ConfigMaps", err)
		return nil, false
	}
	s.configMaps[name] = c.Data
	return c.Data, true
}

// secret is the keys of one, nil where there is none.
func (s *survey) secret(ctx context.Context, name string) (keys map[string]keyOnly, known bool) {
	if keys, asked := s.secrets[name]; asked {
		return keys, true
	}
	var k secretKeys
	switch err := s.get(ctx, s.path("secrets", name), nil, &k); {
	case err == nil && k.Data == nil:
		k.Data = map[string]keyOnly{}
	case err != nil && kubernetes.Refused(err) != http.StatusNotFound:
		s.unsee("Secrets", err)
		return nil, false
	}
	s.secrets[name] = k.Data
	return k.Data, true
}
