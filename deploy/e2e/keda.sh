# shellcheck shell=bash
# KEDA's operator and metrics adapter, run as programs beside the cluster instead of in it. Sourced by cluster.
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
  await 60 'the external metrics API' kubectl wait --for=condition=Available apiservice/v1beta1.external.metrics.k8s.io --timeout=1s
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
