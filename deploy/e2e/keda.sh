# shellcheck shell=bash
# KEDA's operator, metrics adapter and admission webhooks, run as programs beside the cluster instead of in it. Sourced by cluster.
# shellcheck disable=SC2154

start_keda() {
  local manifests
  manifests=$(go list -C "$here/keda" -m -f '{{.Dir}}' github.com/kedacore/keda/v2)/config
  kubectl apply --server-side -k "$manifests/crd" >/dev/null
  kubectl create namespace keda >/dev/null
  kubectl wait --for=condition=Established crd --all --timeout=30s >/dev/null
  kubectl apply -n keda -k "$manifests/service_account" >/dev/null
  kubectl apply -k "$manifests/rbac" >/dev/null
  kubectl apply -f "$manifests/metrics-server/role.yaml" -f "$manifests/metrics-server/role_binding.yaml" >/dev/null
  register_metrics
  kubeconfig keda --token="$(kubectl -n keda create token keda-operator --duration=24h)"

  local conf=$run/keda.kubeconfig certs=$run/keda-certs
  mkdir -p "$certs"
  cp "$pki/ca.crt" "$certs/ca.crt"
  cp "$pki/keda.crt" "$certs/tls.crt"
  cp "$pki/keda.key" "$certs/tls.key"
  start keda-operator env KUBECONFIG="$conf" POD_NAMESPACE=keda POD_NAME=keda-operator-0 WATCH_NAMESPACE= OPERATOR_NAME=keda-operator \
    KEDA_CLUSTER_OBJECT_NAMESPACE=keda "$bin/keda-operator" --leader-elect=false --metrics-bind-address=127.0.0.1:18080 \
    --health-probe-bind-address=127.0.0.1:18081 --metrics-service-bind-address=127.0.0.1:9666 --cert-dir="$certs" \
    --enable-cert-rotation=false --ca-dir="$run/no-ca" --zap-log-level=info
  start keda-adapter env KUBECONFIG="$conf" POD_NAMESPACE=keda WATCH_NAMESPACE= "$bin/keda-adapter" --bind-address=127.0.0.1 \
    --secure-port=16444 --port=18082 --metrics-service-address=localhost:9666 --lister-kubeconfig="$conf" --authentication-kubeconfig="$conf" \
    --authorization-kubeconfig="$conf" --client-ca-file="$certs/ca.crt" --tls-cert-file="$certs/tls.crt" --tls-private-key-file="$certs/tls.key" \
    --cert-dir="$certs" --zap-log-level=info
  await 60 "KEDA's operator" curl -sf 127.0.0.1:18081/readyz
  start_webhooks "$conf" "$certs"
  await 60 'the external metrics API' kubectl wait --for=condition=Available apiservice/v1beta1.external.metrics.k8s.io --timeout=1s
}

# start_webhooks has KEDA look at what it is to scale by before the API server keeps it. Where KEDA does not answer it is
# refused; KEDA's own manifests let it through then.
start_webhooks() { # KUBECONFIG CERTIFICATES
  start keda-webhooks env KUBECONFIG="$1" POD_NAMESPACE=keda WATCH_NAMESPACE= "$bin/keda-webhooks" --port=19443 --cert-dir="$2" \
    --metrics-bind-address=127.0.0.1:18083 --health-probe-bind-address=127.0.0.1:18084 --zap-log-level=info
  await 60 "KEDA's webhooks" curl -sf 127.0.0.1:18084/readyz
  local kind hooks=
  for kind in scaledobject scaledjob triggerauthentication; do
    hooks+="
- name: v$kind.kb.io
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {url: 'https://127.0.0.1:19443/validate-keda-sh-v1alpha1-$kind', caBundle: $(base64 -w0 <"$pki/ca.crt")}
  rules: [{apiGroups: [keda.sh], apiVersions: [v1alpha1], operations: [CREATE, UPDATE], resources: [${kind}s]}]"
  done
  kubectl apply -f - >/dev/null <<EOM
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: keda-admission}
webhooks:$hooks
EOM
}

# register_metrics tells the API server where the adapter answers: on this machine, not in a pod.
register_metrics() {
  kubectl apply -f - >/dev/null <<EOM
apiVersion: v1
kind: Service
metadata: {name: keda-metrics-apiserver, namespace: keda}
spec: {type: ExternalName, externalName: localhost, ports: [{name: https, port: 16444, targetPort: 16444}]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  service: {name: keda-metrics-apiserver, namespace: keda, port: 16444}
  group: external.metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  caBundle: $(base64 -w0 <"$pki/ca.crt")
EOM
}
