package checkup

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// A right is something that a service account may do with a resource of the namespace.
type right struct {
	Namespace   string `json:"namespace"`
	Verb        string `json:"verb"`
	Group       string `json:"group,omitzero"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitzero"`
}

func (r right) String() string {
	what := r.Resource
	if r.Subresource != "" {
		what += "/" + r.Subresource
	}
	return r.Verb + " " + what
}

// lookAtRights looks whether the scaler may do what it needs, and no more.
func (s *survey) lookAtRights(ctx context.Context, d *deployment) {
	account := cmp.Or(d.Spec.Template.Spec.Account, "default")
	s.check("Scaler", "permissions", account+" may list, watch and patch pods, and none of what it does not need", func(v *verdict) {
		for _, verb := range []string{"list", "watch", "patch"} {
			r := right{Namespace: s.Namespace, Verb: verb, Resource: "pods"}
			if may, known := s.may(ctx, account, r); known && !may {
				v.bad("Apply the Role and RoleBinding of deploy/base/scaler.yaml.", "%s may not %s: busy pods are not known, or not stopped last", account, r)
			}
		}
		for _, r := range []right{
			{Verb: "create", Resource: "pods"},
			{Verb: "delete", Resource: "pods"},
			{Verb: "create", Resource: "pods", Subresource: "exec"},
			{Verb: "get", Resource: "secrets"},
			{Verb: "patch", Group: "apps", Resource: "deployments"},
		} {
			r.Namespace = s.Namespace
			if may, known := s.may(ctx, account, r); known && may {
				v.warn("Take it from whichever Role or ClusterRole gives it.", "%s may %s, and needs not", account, r)
			}
		}
		v.wrong = v.wrong || s.unseen[reviews]
	})
}

// reviews is what asking about the permissions of others is called.
const reviews = "the scaler's permissions"

// may asks whether a service account of the namespace may do something. known is false where nobody says.
func (s *survey) may(ctx context.Context, account string, r right) (may, known bool) {
	if s.unseen[reviews] {
		return false, false
	}
	user := "system:serviceaccount:" + s.Namespace + ":" + account
	review := map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{"resourceAttributes": r}}
	path := "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
	if s.me != user {
		path = "/apis/authorization.k8s.io/v1/namespaces/" + url.PathEscape(s.Namespace) + "/localsubjectaccessreviews"
		review = map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "LocalSubjectAccessReview", "metadata": map[string]any{"namespace": s.Namespace},
			"spec": map[string]any{
				"user": user, "groups": []string{"system:serviceaccounts", "system:serviceaccounts:" + s.Namespace, "system:authenticated"}, "resourceAttributes": r,
			},
		}
	}
	var answer struct {
		Status struct {
			Allowed bool `json:"allowed"`
		} `json:"status"`
	}
	if err := s.review(ctx, path, review, &answer); err != nil {
		s.unsee(reviews, err)
		return false, false
	}
	return answer.Status.Allowed, true
}

// whoAmI is the name that the API server has for who asks; empty where it does not say.
func (s *survey) whoAmI(ctx context.Context) string {
	var answer struct {
		Status struct {
			User struct {
				Name string `json:"username"`
			} `json:"userInfo"`
		} `json:"status"`
	}
	review := map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
	if err := s.review(ctx, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, &answer); err != nil {
		return ""
	}
	return answer.Status.User.Name
}

// review puts a question to the API server, which keeps nothing of it.
func (s *survey) review(ctx context.Context, path string, question, into any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	return s.ask(ctx, http.MethodPost, path, nil, body, into)
}
