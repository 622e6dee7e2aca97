# shellcheck shell=bash
# The cluster's certificates, and the kubeconfigs made of them. Sourced by cluster, which sets run and pki.
# shellcheck disable=SC2154

api=https://10.96.0.1

certificates() {
  mkdir -p "$pki"
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  openssl req -x509 "${key[@]}" -days 30 -subj /CN=millrace-e2e -keyout "$pki/ca.key" -out "$pki/ca.crt" 2>/dev/null
  local name subject names
  while IFS='|' read -r name subject names; do
    openssl req "${key[@]}" -subj "$subject" -keyout "$pki/$name.key" -out "$pki/$name.csr" 2>/dev/null
    openssl x509 -req -in "$pki/$name.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 30 -out "$pki/$name.crt" \
      -extfile <(printf 'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s\n' "$names") 2>/dev/null
    rm "$pki/$name.csr"
  done <<'ROWS'
apiserver|/CN=kube-apiserver|DNS:localhost,DNS:kubernetes.default.svc,DNS:kubernetes,IP:127.0.0.1,IP:10.96.0.1
front-proxy|/CN=front-proxy-client|DNS:localhost
admin|/O=system:masters/CN=admin|DNS:admin
controller-manager|/CN=system:kube-controller-manager|DNS:controller-manager
scheduler|/CN=system:kube-scheduler|DNS:scheduler
kubelet|/O=system:nodes/CN=system:node:localhost|DNS:localhost,IP:127.0.0.1
keda|/CN=KEDAORG|DNS:localhost,DNS:keda-metrics-apiserver.keda.svc,DNS:keda-operator.keda.svc,IP:127.0.0.1
ROWS
  openssl genrsa -out "$pki/accounts.key" 2048 2>/dev/null
  openssl rsa -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub" 2>/dev/null

  for name in admin controller-manager scheduler kubelet; do
    kubeconfig "$name" --client-certificate="$pki/$name.crt" --client-key="$pki/$name.key" --embed-certs
  done
}

# kubeconfig NAME CREDENTIALS...: writes $run/NAME.kubeconfig.
kubeconfig() {
  local name=$1 file=$run/$1.kubeconfig
  shift
  rm -f "$file"
  kubectl --kubeconfig="$file" config set-cluster e2e --server="$api" --certificate-authority="$pki/ca.crt" --embed-certs >/dev/null
  kubectl --kubeconfig="$file" config set-credentials "$name" "$@" >/dev/null
  kubectl --kubeconfig="$file" config set-context e2e --cluster=e2e --user="$name" >/dev/null
  kubectl --kubeconfig="$file" config use-context e2e >/dev/null
}
