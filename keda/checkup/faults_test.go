package checkup_test

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda/checkup"
	"github.com/millrace/millrace/worker/queue"
)

func worker(c *cluster, class string) object {
	return at(c.of("Deployment", "millrace-"+class), "spec", "template", "spec", "containers", 0)
}

// setEnv gives a container a variable, in place of what it has of that name.
func setEnv(container object, name, value string) {
	env := slices.DeleteFunc(container["env"].([]any), func(v any) bool { return v.(object)["name"] == name })
	container["env"] = append(env, object{"name": name, "value": value})
}

func triggerOf(c *cluster, class string) object {
	return at(c.of("ScaledObject", "millrace-"+class), "spec", "triggers", 0)
}

// onSQS has KEDA's own trigger scale a class, with some of its settings changed.
func onSQS(c *cluster, class string, change object) {
	t := triggerOf(c, class)
	t["type"] = "aws-sqs-queue"
	t["metadata"] = object{"queueURL": "https://sqs.eu-central-1.amazonaws.com/1/q", "queueLength": "1", "scaleOnInFlight": "true", "scaleOnDelayed": "true"}
	for key, v := range change {
		at(t, "metadata")[key] = v
	}
}

func addPod(c *cluster, name string, status object) {
	c.add("Pod", name, object{"metadata": object{}, "status": status})
}

func waiting(reason, message string) object {
	return object{"phase": "Pending", "containerStatuses": []any{object{"image": "registry/x:1", "state": object{"waiting": object{"reason": reason, "message": message}}}}}
}

func TestEveryFaultOfScalingIsNamed(t *testing.T) {
	t.Parallel()
	tell(t, []fault{
		{"KEDA can't ask", func(c *cluster) {
			c.of("ScaledObject", "millrace-gpu")["status"] = object{"conditions": []any{object{"type": "Ready", "status": "False", "reason": "TriggerError", "message": "no answer"}}}
		}, "ScaledObject millrace-gpu", queue.Bad, "it is not ready: no answer (TriggerError)"},
		{"KEDA has not looked", func(c *cluster) { delete(c.of("ScaledObject", "millrace-gpu"), "status") }, "ScaledObject millrace-gpu", queue.Warning, "has not looked"},
		{"it is paused", func(c *cluster) {
			at(c.of("ScaledObject", "millrace-gpu"), "metadata")["annotations"] = object{"autoscaling.keda.sh/paused-replicas": "0"}
		}, "ScaledObject millrace-gpu", queue.Warning, "somebody has paused it"},
		{"it scales by its fallback", func(c *cluster) {
			s := at(c.of("ScaledObject", "millrace-gpu"), "status")
			s["conditions"] = append(s["conditions"].([]any), object{"type": "Fallback", "status": "True"})
		}, "ScaledObject millrace-gpu", queue.Warning, "by the fallback"},
		{"what runs does not count", func(c *cluster) { onSQS(c, "heavy", object{"scaleOnInFlight": "false"}) }, "ScaledObject millrace-heavy", queue.Bad, "pods are ended while they work"},
		{"what is delayed does not count", func(c *cluster) { onSQS(c, "heavy", object{"scaleOnDelayed": "false"}) }, "ScaledObject millrace-heavy", queue.Warning, "sent with a delay"},
		{"the first messages wait", func(c *cluster) { onSQS(c, "heavy", object{"activationQueueLength": "3"}) }, "ScaledObject millrace-heavy", queue.Warning, "3 messages wait"},
		{"the target is above the slots, on SQS", func(c *cluster) { onSQS(c, "heavy", object{"queueLength": "5"}) }, "ScaledObject millrace-heavy", queue.Bad, "queueLength is 5 and a pod has 1 slots"},
		{"the target is above the slots", func(c *cluster) { at(triggerOf(c, "heavy"), "metadata")["target"] = "2" }, "ScaledObject millrace-heavy", queue.Bad, "target is 2 and a pod has 1 slots"},
		{"the slots differ", func(c *cluster) { at(triggerOf(c, "light"), "metadata")["slots"] = "9" }, "ScaledObject millrace-light", queue.Warning, "slots of the trigger is 9, and MILLRACE_SLOTS of the pods 5"},
		{"SQS lags", func(c *cluster) {
			onSQS(c, "light", nil)
			at(c.of("ScaledObject", "millrace-light"), "spec")["cooldownPeriod"] = 45
		}, "ScaledObject millrace-light", queue.Warning, "cooldownPeriod is 45s, and SQS's counts"},
		{"no cooldown", func(c *cluster) { at(c.of("ScaledObject", "millrace-light"), "spec")["cooldownPeriod"] = 10 }, "ScaledObject millrace-light", queue.Warning, "is not above pollingInterval (30s)"},
		{"a fallback", func(c *cluster) {
			at(c.of("ScaledObject", "millrace-light"), "spec")["fallback"] = object{"replicas": 1}
		}, "ScaledObject millrace-light", queue.Warning, "can't lift pods from zero"},
		{"no pods", func(c *cluster) { at(c.of("ScaledObject", "millrace-light"), "spec")["maxReplicaCount"] = 0 }, "ScaledObject millrace-light", queue.Bad, "no pod is started"},
		{"another autoscaler", func(c *cluster) {
			c.add("HorizontalPodAutoscaler", "cpu", object{"spec": object{"scaleTargetRef": object{"kind": "Deployment", "name": "millrace-light"}}})
			c.add("HorizontalPodAutoscaler", "keda-hpa-millrace-light", object{"spec": object{"scaleTargetRef": object{"kind": "Deployment", "name": "millrace-light"}}})
		}, "ScaledObject millrace-light", queue.Bad, "HorizontalPodAutoscaler cpu scales millrace-light too"},
		{"another ScaledObject", func(c *cluster) {
			c.add("ScaledObject", "mine", object{"spec": object{"scaleTargetRef": object{"kind": "Deployment", "name": "millrace-light"}}, "status": object{
				"conditions": []any{object{"type": "Ready", "status": "True"}},
			}})
		}, "ScaledObject millrace-light", queue.Bad, "ScaledObject mine scales millrace-light too"},
		{"nothing to scale", func(c *cluster) {
			at(c.of("ScaledObject", "millrace-light"), "spec")["scaleTargetRef"] = object{"name": "gone"}
		}, "ScaledObject millrace-light", queue.Bad, "there is no Deployment gone"},
		{"nobody scales it", func(c *cluster) { c.without("ScaledObject", "millrace-light") }, "Deployment millrace-light", queue.Warning, "nobody starts or ends its pods"},
		{"a ScaledJob that is not ready", func(c *cluster) {
			c.add("ScaledJob", "millrace-long", object{
				"metadata": object{"labels": object{"app.kubernetes.io/name": "millrace"}},
				"spec":     object{"triggers": []any{object{"type": "external-push", "metadata": object{"scalerAddress": "millrace-scaler.millrace.svc:9090", "queue": "light"}}}},
				"status":   object{"conditions": []any{object{"type": "Ready", "status": "False", "reason": "E", "message": "no"}}},
			})
		}, "ScaledJob millrace-long", queue.Bad, "it is not ready: no (E)"},
		{"a trigger that fails to authenticate", func(c *cluster) {
			onSQS(c, "light", nil)
			triggerOf(c, "light")["authenticationRef"] = object{"name": "millrace-sqs"}
		}, "ScaledObject millrace-light", queue.Bad, "there is no TriggerAuthentication millrace-sqs"},
		{"a trigger that authenticates by what lies elsewhere", func(c *cluster) {
			onSQS(c, "light", nil)
			triggerOf(c, "light")["authenticationRef"] = object{"name": "all", "kind": "ClusterTriggerAuthentication"}
		}, "ScaledObject millrace-light", queue.Warning, "authenticates by ClusterTriggerAuthentication all, which is not looked at"},
	})
}

func TestEveryFaultOfDeploymentsIsNamed(t *testing.T) {
	t.Parallel()
	tell(t, []fault{
		{"too short a grace", func(c *cluster) {
			at(c.of("Deployment", "millrace-heavy"), "spec", "template", "spec")["terminationGracePeriodSeconds"] = 605
		}, "Deployment millrace-heavy", queue.Bad, "the pod is killed after 10m5s, and its jobs may go on for 10m0s"},
		{"Kubernetes' own grace, and the worker's", func(c *cluster) {
			setEnv(worker(c, "heavy"), "MILLRACE_GRACE", "")
			delete(at(c.of("Deployment", "millrace-heavy"), "spec", "template", "spec"), "terminationGracePeriodSeconds")
			c.add("ConfigMap", "millrace", object{"data": object{"MILLRACE_STORE": "s3://b", "MILLRACE_GRACE": "25s"}})
			setEnv(worker(c, "heavy"), "MILLRACE_GRACE", "25s")
		}, "Deployment millrace-heavy", queue.Bad, "the pod is killed after 30s"},
		{"a number of pods is applied", func(c *cluster) {
			at(c.of("Deployment", "millrace-light"), "metadata")["annotations"] = object{"kubectl.kubernetes.io/last-applied-configuration": `{"spec":{"replicas":2}}`}
		}, "Deployment millrace-light", queue.Bad, "what was applied last (2 replicas)"},
		{"a number of pods is applied by the server", func(c *cluster) {
			at(c.of("Deployment", "millrace-light"), "metadata")["managedFields"] = []any{
				object{"manager": "keda", "operation": "Update", "subresource": "scale", "fieldsV1": object{"f:spec": object{"f:replicas": object{}}}},
				object{"manager": "argocd", "operation": "Apply", "fieldsV1": object{"f:spec": object{"f:replicas": object{}}}},
			}
		}, "Deployment millrace-light", queue.Bad, "argocd sets the number of pods"},
		{"its pods are refused", func(c *cluster) {
			at(c.of("Deployment", "millrace-light"), "status")["conditions"] = []any{object{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}}
		}, "Deployment millrace-light", queue.Bad, "exceeded quota"},
		{"it may be root", func(c *cluster) {
			at(c.of("Deployment", "millrace-light"), "spec", "template", "spec")["securityContext"] = object{"seccompProfile": object{"type": "RuntimeDefault"}}
		}, "Deployment millrace-light", queue.Warning, "container worker may run as root"},
		{"it may gain privileges", func(c *cluster) { delete(at(worker(c, "light"), "securityContext"), "allowPrivilegeEscalation") }, "Deployment millrace-light", queue.Warning, "may gain privileges"},
		{"it keeps capabilities", func(c *cluster) {
			at(worker(c, "light"), "securityContext", "capabilities")["add"] = []any{"SYS_ADMIN"}
		}, "Deployment millrace-light", queue.Warning, "keeps capabilities"},
		{"it mounts the node", func(c *cluster) {
			spec := at(c.of("Deployment", "millrace-light"), "spec", "template", "spec")
			spec["volumes"] = append(spec["volumes"].([]any), object{"name": "host", "hostPath": object{"path": "/"}})
		}, "Deployment millrace-light", queue.Warning, "volume host is a folder of the node"},
		{"a user of its own, on OpenShift", func(c *cluster) {
			c.objects["/apis/security.openshift.io/v1"] = object{}
			at(c.of("Deployment", "millrace-light"), "spec", "template", "spec", "securityContext")["runAsUser"] = 1001
		}, "Deployment millrace-light", queue.Bad, "which OpenShift refuses"},
		{"no pod may go", func(c *cluster) { at(c.of("PodDisruptionBudget", "millrace-gpu"), "spec")["maxUnavailable"] = 0 }, "Deployment millrace-gpu", queue.Warning, "waits for ever"},
		{"versions differ", func(c *cluster) { worker(c, "gpu")["image"] = "registry/millrace:1.1.0" }, "Images", queue.Warning, "their tags differ"},
	})
}

func TestEveryFaultOfSettingsIsNamed(t *testing.T) {
	t.Parallel()
	tell(t, []fault{
		{"no queue of its class", func(c *cluster) { delete(at(c.of("ConfigMap", "millrace-queues"), "data"), "heavy") }, "Deployment millrace-heavy", queue.Bad, "ConfigMap millrace-queues has no heavy, which MILLRACE_QUEUE is to be"},
		{"a key that is called otherwise", func(c *cluster) {
			c.add("Secret", "aws-credentials", object{"data": object{"access_key_id": "", "secret-access-key": ""}})
		}, "Deployment millrace-heavy", queue.Warning, "Secret aws-credentials is there and has no access-key-id, so AWS_ACCESS_KEY_ID is not set"},
		{"no key for COS", func(c *cluster) { c.without("Secret", "cos-credentials") }, "Deployment millrace-gpu", queue.Bad, "no key for COS"},
		{"no key for AWS, and no role", func(c *cluster) { c.without("Secret", "aws-credentials") }, "Deployment millrace-light", queue.Warning, "no key for AWS"},
		{"a setting that is none", func(c *cluster) { setEnv(worker(c, "light"), "MILLRACE_STROE", "s3://b/p") }, "Deployment millrace-light", queue.Warning, "MILLRACE_STROE is no setting"},
		{"records go with the pod", func(c *cluster) { setEnv(worker(c, "light"), "MILLRACE_STORE", "local") }, "Deployment millrace-light", queue.Bad, "records and outputs go with the pod"},
		{"the example's bucket", func(c *cluster) { setEnv(worker(c, "light"), "MILLRACE_STORE", "s3://CHANGE-ME/x") }, "Deployment millrace-light", queue.Bad, "is the example's"},
		{"its own queue", func(c *cluster) { at(c.of("ConfigMap", "millrace-queues"), "data")["light"] = "local" }, "Deployment millrace-light", queue.Bad, "no messages but its own"},
		{"a ConfigMap that is not there", func(c *cluster) { c.without("ConfigMap", "millrace") }, "Deployment millrace-light", queue.Bad, "there is no ConfigMap millrace, so no pod starts"},
	})
}

func TestARoleOfAWSIsAsGoodAsKeys(t *testing.T) {
	t.Parallel()
	c := healthy(t)
	c.without("Secret", "aws-credentials")
	for _, name := range []string{"millrace-worker", "millrace-scaler"} {
		at(c.of("ServiceAccount", name), "metadata")["annotations"] = object{"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}
	}
	require.Empty(t, c.look())
}

func TestEveryFaultOfGPUNodesIsNamed(t *testing.T) {
	t.Parallel()
	nodes := func(change func(o object)) func(c *cluster) {
		return func(c *cluster) {
			for path, o := range c.objects {
				if strings.HasPrefix(path, "/api/v1/nodes/") {
					change(o)
				}
			}
		}
	}
	const of = "Deployment millrace-gpu"
	tell(t, []fault{
		{"none is chosen", nodes(func(o object) { at(o, "metadata")["labels"] = object{} }), of, queue.Warning, "no node has nvidia.com/gpu.present=true"},
		{"no device plugin", nodes(func(o object) { at(o, "status")["allocatable"] = object{} }), of, queue.Bad, "10 nodes have nvidia.com/gpu.present=true, and none of them offers nvidia.com/gpu"},
		{"a taint", nodes(func(o object) {
			at(o, "spec")["taints"] = []any{object{"key": "team", "value": "film", "effect": "NoExecute"}}
		}), of, queue.Bad, "do not tolerate: team=film:NoExecute"},
		{"too few", func(c *cluster) { c.without("Node", "gpu-0") }, of, queue.Warning, "maxReplicaCount is 10, and there is room for 9 pods"},
		{"too many in one pod", func(c *cluster) { at(worker(c, "gpu"), "resources", "limits")["nvidia.com/gpu"] = 2 }, of, queue.Bad, "a pod asks for 2 GPUs, and no node has as many"},
	})
}

func TestEveryFaultOfTheScalerIsNamed(t *testing.T) {
	t.Parallel()
	scalerOf := func(c *cluster) object {
		return at(c.of("Deployment", "millrace-scaler"), "spec", "template", "spec", "containers", 0)
	}
	tell(t, []fault{
		{"it is gone", func(c *cluster) { c.without("Deployment", "millrace-scaler") }, "Scaler", queue.Bad, "there is no Deployment of the scaler"},
		{"none is ready", func(c *cluster) { at(c.of("Deployment", "millrace-scaler"), "status")["readyReplicas"] = 0 }, "Scaler", queue.Bad, "none of its pods is ready"},
		{"it may not mark", func(c *cluster) { c.rights["patch pods"] = false }, "Scaler", queue.Bad, "millrace-scaler may not patch pods"},
		{"it may mark, and asks for itself", func(c *cluster) { c.me, c.rights["patch pods"] = scaler, false }, "Scaler", queue.Bad, "millrace-scaler may not patch pods"},
		{"it may too much", func(c *cluster) { c.rights["create pods/exec"] = true }, "Scaler", queue.Warning, "millrace-scaler may create pods/exec, and needs not"},
		{"it does not know the queue", func(c *cluster) { at(triggerOf(c, "gpu"), "metadata")["queue"] = "tpu" }, "Scaler", queue.Bad, `asks for the queue "tpu", which the scaler does not know`},
		{"it does not find the pods", func(c *cluster) {
			at(c.of("Deployment", "millrace-gpu"), "spec", "template", "metadata", "labels")["millrace/class"] = "cuda"
		}, "Scaler", queue.Bad, `pods of millrace-gpu are of class "cuda", and ScaledObject millrace-gpu asks for "gpu": their jobs don't count`},
		{"it counts another queue", func(c *cluster) { at(c.of("ConfigMap", "millrace-queues"), "data")["heavy"] = "sqs:heavy-2?limit=3" }, "Scaler", queue.Bad, `the scaler counts sqs:heavy for "heavy", and millrace-heavy takes from sqs:heavy-2`},
		{"a queue in a Secret", func(c *cluster) {
			c.add("Secret", "millrace", object{"data": object{"MILLRACE_QUEUE": "cXVldWU="}})
			container := worker(c, "heavy")
			container["env"] = slices.DeleteFunc(container["env"].([]any), func(v any) bool { return v.(object)["name"] == "MILLRACE_QUEUE" })
		}, "Scaler", queue.Warning, "MILLRACE_QUEUE of millrace-heavy is in a Secret"},
		{"TLS by what lies elsewhere", func(c *cluster) {
			for _, class := range []string{"light", "heavy", "gpu"} {
				triggerOf(c, class)["authenticationRef"] = object{"name": "all", "kind": "ClusterTriggerAuthentication"}
			}
			setEnv(scalerOf(c), "MILLRACE_TLS_CERT", "/tls/tls.crt")
		}, "Scaler", queue.Warning, "ScaledObject millrace-gpu authenticates by ClusterTriggerAuthentication all"},
		{"no such Service", func(c *cluster) { at(triggerOf(c, "gpu"), "metadata")["scalerAddress"] = "scaler.millrace.svc:9090" }, "Scaler", queue.Bad, "there is none of that name"},
		{"no such port", func(c *cluster) {
			at(triggerOf(c, "gpu"), "metadata")["scalerAddress"] = "millrace-scaler.millrace.svc:9091"
		}, "Scaler", queue.Bad, "asks port 9091"},
		{"no address", func(c *cluster) { at(triggerOf(c, "gpu"), "metadata")["scalerAddress"] = "millrace-scaler" }, "Scaler", queue.Bad, "which is no address"},
		{"another namespace", func(c *cluster) {
			at(triggerOf(c, "gpu"), "metadata")["scalerAddress"] = "millrace-scaler.media.svc:9090"
		}, "Scaler", queue.Warning, "asks the scaler of namespace media"},
		{"half a name", func(c *cluster) { at(triggerOf(c, "gpu"), "metadata")["scalerAddress"] = "millrace-scaler:9090" }, "Scaler", queue.Warning, "no whole name of a Service"},
		{"KEDA alone speaks TLS", func(c *cluster) { at(triggerOf(c, "gpu"), "metadata")["enableTLS"] = "true" }, "Scaler", queue.Bad, "the scaler has no certificate"},
		{"the authority is not filled in", func(c *cluster) {
			for _, class := range []string{"light", "heavy", "gpu"} {
				at(triggerOf(c, class), "metadata")["enableTLS"] = "true"
			}
			setEnv(scalerOf(c), "MILLRACE_TLS_CERT", "/tls/tls.crt")
			triggerOf(c, "gpu")["authenticationRef"] = object{"name": "a"}
			c.add("TriggerAuthentication", "a", object{"spec": object{"configMapTargetRef": []any{object{"parameter": "caCert", "name": "ca", "key": "service-ca.crt"}}}})
			c.add("ConfigMap", "ca", object{})
		}, "Scaler", queue.Bad, "ConfigMap ca has no service-ca.crt"},
	})
}

func TestPodsThatAreStuckAreNamed(t *testing.T) {
	t.Parallel()
	tell(t, []fault{
		{"no image", func(c *cluster) { addPod(c, "p", waiting("ImagePullBackOff", "unauthorized")) }, "Pods", queue.Bad, "1 can't get the image registry/x:1 (p): ImagePullBackOff: unauthorized"},
		{"no secret", func(c *cluster) { addPod(c, "p", waiting("CreateContainerConfigError", `secret "x" not found`)) }, "Pods", queue.Bad, `1 can't be started (p): CreateContainerConfigError: secret "x" not found`},
		{"it dies", func(c *cluster) {
			s := waiting("CrashLoopBackOff", "")
			at(s, "containerStatuses", 0)["lastState"] = object{"terminated": object{"exitCode": 137, "reason": "OOMKilled"}}
			addPod(c, "p", s)
		}, "Pods", queue.Bad, "1 ends again and again (p): exit code 137, OOMKilled"},
		{"no node", func(c *cluster) {
			addPod(c, "p", object{"phase": "Pending", "conditions": []any{object{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}}})
		}, "Pods", queue.Warning, "1 has no node (p): 0/3 nodes are available"},
		{"three that have no node", func(c *cluster) {
			for _, name := range []string{"p", "q", "r"} {
				addPod(c, name, object{"phase": "Pending", "conditions": []any{object{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}}})
			}
		}, "Pods", queue.Warning, "3 have no node ("},
		{"a wide SCC", func(c *cluster) {
			c.add("Pod", "p", object{"metadata": object{"annotations": object{"openshift.io/scc": "anyuid"}}})
			c.add("Pod", "q", object{"metadata": object{"annotations": object{"openshift.io/scc": "restricted-v2"}}})
		}, "Pods", queue.Warning, "admitted by the SCC anyuid, which lets them do more than they need (1)"},
	})
}

func TestAClusterWithoutKEDAOrWorkersIsSaidToBe(t *testing.T) {
	t.Parallel()
	tell(t, []fault{
		{"no adapter", func(c *cluster) { delete(c.objects, "/apis/external.metrics.k8s.io/v1beta1") }, "KEDA", queue.Bad, "nobody serves external metrics"},
		{"an old KEDA", func(c *cluster) {
			c.objects["/apis/apps/v1/namespaces/keda/deployments/keda-operator"] = object{"metadata": object{"labels": object{"app.kubernetes.io/version": "2.9.3"}}}
		}, "KEDA", queue.Warning, "2.9.3 is older"},
		{"a KEDA of nobody knows which version", func(c *cluster) { delete(c.objects, "/apis/apps/v1/namespaces/keda/deployments/keda-operator") }, "KEDA", queue.Warning, "its version can't be told"},
		{"no workers", func(c *cluster) {
			for path := range c.objects {
				if strings.HasPrefix(path, "/apis/apps/v1/namespaces/millrace/") {
					delete(c.objects, path)
				}
			}
		}, "namespace millrace", queue.Bad, "there is no Deployment"},
		{"no login", func(c *cluster) { c.refuse["/"] = http.StatusUnauthorized }, "the cluster", queue.Bad, "refused: /version (401)"},
	})
	c := healthy(t)
	delete(c.objects, "/apis/keda.sh/v1alpha1")
	c.refuse["/apis/keda.sh/v1alpha1/"] = http.StatusNotFound
	require.Equal(t, "the API server knows no keda.sh: nothing starts a worker", c.look()[0].Text)
}

func TestFromInsideTheScalerIsReachedAsKEDADoesIt(t *testing.T) {
	t.Parallel()
	inside := func(c *checkup.Config) { c.Inside = true }
	serves := httptest.NewUnstartedServer(nil)
	serves.EnableHTTP2 = true // as gRPC asks for
	serves.StartTLS()
	t.Cleanup(serves.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: serves.Certificate().Raw}))
	for _, tt := range []struct {
		name, host, authority, want string
	}{
		{"it answers", "127.0.0.1", authority, ""},
		{"its name is another", "localhost", authority, "not localhost"},
		{"another authority", "127.0.0.1", strings.Replace(authority, "MII", "MIJ", 1), "caCert holds no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := healthy(t)
			setEnv(at(c.of("Deployment", "millrace-scaler"), "spec", "template", "spec", "containers", 0), "MILLRACE_TLS_CERT", "/tls/tls.crt")
			c.add("TriggerAuthentication", "a", object{"spec": object{"configMapTargetRef": []any{object{"parameter": "caCert", "name": "ca", "key": "ca.crt"}}}})
			c.add("ConfigMap", "ca", object{"data": object{"ca.crt": tt.authority}})
			_, port, err := net.SplitHostPort(serves.Listener.Addr().String())
			require.NoError(t, err)
			for _, class := range []string{"light", "heavy", "gpu"} {
				triggerOf(c, class)["authenticationRef"] = object{"name": "a"}
				at(triggerOf(c, class), "metadata")["scalerAddress"] = net.JoinHostPort(tt.host, port)
			}
			found := c.look(inside)
			if tt.want == "" {
				require.Empty(t, found)
				return
			}
			var texts []string
			for _, f := range found {
				texts = append(texts, f.Text)
			}
			require.Contains(t, strings.Join(texts, "\n"), tt.want)
		})
	}
	c := healthy(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	at(triggerOf(c, "gpu"), "metadata")["scalerAddress"] = address
	c.without("ScaledObject", "millrace-light")
	c.without("ScaledObject", "millrace-heavy")
	found := c.look(inside)
	require.Contains(t, found[len(found)-1].Text, address+" can't be reached from here")
}

func TestOfASecretNothingButItsKeysIsKept(t *testing.T) {
	t.Parallel()
	c := healthy(t)
	c.add("Secret", "millrace", object{"data": object{"MILLRACE_STORE": "c2VjcmV0LXZhbHVl", "MILLRACE_STROE": "c2VjcmV0LXZhbHVl"}})
	for _, f := range c.look() {
		require.NotContains(t, f.Text, "secret-value")
		require.NotContains(t, f.Text, "c2VjcmV0LXZhbHVl")
	}
}

// A fault is one thing that is wrong, and what is said of it. Every other finding is one that follows from it.
type fault struct {
	name   string
	change func(c *cluster)
	of     string
	level  queue.Level
	text   string
}

func tell(t *testing.T, faults []fault) {
	t.Helper()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c := healthy(t)
			f.change(c)
			found := c.look()
			require.True(t, slices.ContainsFunc(found, func(g checkup.Finding) bool {
				return g.Of == f.of && g.Level == f.level && strings.Contains(g.Text, f.text)
			}), "%+v", found)
			if f.level == queue.Warning {
				for _, g := range found {
					require.Equal(t, queue.Warning, g.Level, "a warning brings no error: %s", g.Text)
				}
			}
		})
	}
}
