package checkup

import "time"

// What counts of Kubernetes' objects.

type meta struct {
	Name          string            `json:"name"`
	Namespace     string            `json:"namespace"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
	Deletion      string            `json:"deletionTimestamp"`
	Created       time.Time         `json:"creationTimestamp"`
	ManagedFields []struct {
		Manager     string    `json:"manager"`
		Operation   string    `json:"operation"`
		Subresource string    `json:"subresource"`
		Fields      fieldTree `json:"fieldsV1"`
	} `json:"managedFields"`
}

// A fieldTree says which fields somebody owns: "f:spec" → "f:replicas" → {}.
type fieldTree map[string]any

func (f fieldTree) has(path ...string) bool {
	at := map[string]any(f)
	for _, name := range path {
		next, ok := at["f:"+name]
		if !ok {
			return false
		}
		at, _ = next.(map[string]any)
	}
	return true
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type deployment struct {
	Metadata meta `json:"metadata"`
	Spec     struct {
		Template template `json:"template"`
	} `json:"spec"`
	Status struct {
		Ready      int         `json:"readyReplicas"`
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

func (d *deployment) class() string { return d.Metadata.Labels[classLabel] }

// isScaler says whether it is what KEDA asks.
func (d *deployment) isScaler() bool { return d.Metadata.Labels[componentLabel] == "scaler" }

type template struct {
	Metadata meta    `json:"metadata"`
	Spec     podSpec `json:"spec"`
}

type podSpec struct {
	Account      string            `json:"serviceAccountName"`
	Grace        *int              `json:"terminationGracePeriodSeconds"`
	NodeSelector map[string]string `json:"nodeSelector"`
	Tolerations  []toleration      `json:"tolerations"`
	HostNetwork  bool              `json:"hostNetwork"`
	HostPID      bool              `json:"hostPID"`
	HostIPC      bool              `json:"hostIPC"`
	Security     security          `json:"securityContext"`
	Containers   []container       `json:"containers"`
	Init         []container       `json:"initContainers"`
	Volumes      []struct {
		Name     string    `json:"name"`
		HostPath *struct{} `json:"hostPath"`
		Secret   *struct {
			Name     string `json:"secretName"`
			Optional bool   `json:"optional"`
		} `json:"secret"`
		ConfigMap *reference `json:"configMap"`
	} `json:"volumes"`
}

// all are the containers, those that come first too.
func (p *podSpec) all() []container { return append(p.Init[:len(p.Init):len(p.Init)], p.Containers...) }

type toleration struct {
	Key      string `json:"key"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
	Effect   string `json:"effect"`
}

type security struct {
	NonRoot    *bool  `json:"runAsNonRoot"`
	User       *int64 `json:"runAsUser"`
	FSGroup    *int64 `json:"fsGroup"`
	Escalation *bool  `json:"allowPrivilegeEscalation"`
	Privileged bool   `json:"privileged"`
	Seccomp    *struct {
		Type string `json:"type"`
	} `json:"seccompProfile"`
	Capabilities *struct {
		Add  []string `json:"add"`
		Drop []string `json:"drop"`
	} `json:"capabilities"`
}

// A reference names an object of the namespace.
type reference struct {
	Name     string `json:"name"`
	Key      string `json:"key"`
	Optional bool   `json:"optional"`
}

type container struct {
	Name      string   `json:"name"`
	Image     string   `json:"image"`
	Args      []string `json:"args"`
	Security  security `json:"securityContext"`
	Resources struct {
		Limits map[string]any `json:"limits"`
	} `json:"resources"`
	EnvFrom []struct {
		ConfigMap *reference `json:"configMapRef"`
		Secret    *reference `json:"secretRef"`
	} `json:"envFrom"`
	Env []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		From  *struct {
			ConfigMap *reference `json:"configMapKeyRef"`
			Secret    *reference `json:"secretKeyRef"`
		} `json:"valueFrom"`
	} `json:"env"`
}

type pod struct {
	Metadata meta    `json:"metadata"`
	Spec     podSpec `json:"spec"`
	Status   struct {
		Phase      string            `json:"phase"`
		Conditions []condition       `json:"conditions"`
		Init       []containerStatus `json:"initContainerStatuses"`
		Containers []containerStatus `json:"containerStatuses"`
	} `json:"status"`
}

type containerStatus struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	State struct {
		Waiting *condition `json:"waiting"`
	} `json:"state"`
	Last struct {
		Terminated *struct {
			Code   int    `json:"exitCode"`
			Reason string `json:"reason"`
		} `json:"terminated"`
	} `json:"lastState"`
}

type scaledObject struct {
	Metadata meta `json:"metadata"`
	Spec     struct {
		Target struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		Min      int       `json:"minReplicaCount"`
		Max      *int      `json:"maxReplicaCount"`
		Polling  *int      `json:"pollingInterval"`
		Cooldown *int      `json:"cooldownPeriod"`
		Fallback *struct{} `json:"fallback"`
		Triggers []trigger `json:"triggers"`
	} `json:"spec"`
	Status struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type trigger struct {
	Type     string            `json:"type"`
	Metadata map[string]string `json:"metadata"`
	Auth     *struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	} `json:"authenticationRef"`
}

// isOurs says whether the trigger asks our scaler by gRPC.
func (t *trigger) isOurs() bool { return t.Type == "external" || t.Type == "external-push" }

// A triggerAuth is what KEDA authenticates by.
type triggerAuth struct {
	Metadata meta `json:"metadata"`
	Spec     struct {
		Secrets []struct {
			Parameter string `json:"parameter"`
			reference
		} `json:"secretTargetRef"`
		ConfigMaps []struct {
			Parameter string `json:"parameter"`
			reference
		} `json:"configMapTargetRef"`
	} `json:"spec"`
}

type autoscaler struct {
	Metadata meta `json:"metadata"`
	Spec     struct {
		Target struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
	} `json:"spec"`
}

type budget struct {
	Metadata meta `json:"metadata"`
	Spec     struct {
		Least    any `json:"minAvailable"`
		Most     any `json:"maxUnavailable"`
		Selector struct {
			Labels map[string]string `json:"matchLabels"`
		} `json:"selector"`
	} `json:"spec"`
}

type service struct {
	Metadata meta `json:"metadata"`
	Spec     struct {
		Ports []servicePort `json:"ports"`
	} `json:"spec"`
}

type servicePort struct {
	Port int `json:"port"`
}

type node struct {
	Metadata meta `json:"metadata"`
	Spec     struct {
		Unschedulable bool    `json:"unschedulable"`
		Taints        []taint `json:"taints"`
	} `json:"spec"`
	Status struct {
		Allocatable map[string]any `json:"allocatable"`
	} `json:"status"`
}

type taint struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Effect string `json:"effect"`
}

type configMap struct {
	Data map[string]string `json:"data"`
}

// A secretKeys is which keys a Secret has, and no value of it.
type secretKeys struct {
	Data map[string]keyOnly `json:"data"`
}

type keyOnly struct{}

// UnmarshalJSON leaves the value where it is.
func (*keyOnly) UnmarshalJSON([]byte) error { return nil }

type serviceAccount struct {
	Metadata meta `json:"metadata"`
}
