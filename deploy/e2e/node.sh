# shellcheck shell=bash
# The node (containerd, kubelet) and the control plane. Sourced by cluster.
# shellcheck disable=SC2154

containerd_ctl() {
  ctr -a "$node/containerd.sock" "$@"
}

# network makes the bridge that pods are on: they reach this machine at $gateway and it reaches them. They reach nothing else.
# The API server has the first address of the services on it, where every pod is told to look for it. The bridge has an address of
# its own: else it takes the lowest of its pods', and with the pod that has it all others lose their way for half a minute.
network() {
  ip link add "$bridge" type bridge 2>/dev/null || ip link show "$bridge" >/dev/null
  ip link set "$bridge" address 0a:58:0a:d5:61:01
  ip addr replace "$gateway/24" dev "$bridge"
  ip addr replace "${api#https://}/32" dev "$bridge"
  ip link set "$bridge" up
  cat >"$node/cni/10-pods.conflist" <<EOM
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "$bridge", "isDefaultGateway": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "${gateway%.*}.0/24"}]], "dataDir": "$node/cni/addresses"}}]}
EOM
}

remove_network() {
  ip link del "$bridge" 2>/dev/null || true
}

start_containerd() {
  mkdir -p "$node/cni"
  network
  cat >"$node/config.toml" <<EOM
version = 2
root = "$node/root"
state = "$node/state"
[grpc]
  address = "$node/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$node/cni"
EOM
  start containerd containerd -c "$node/config.toml"
  await 20 containerd containerd_ctl version
}

# stop_containerd stops the containers first: their shims outlive containerd.
stop_containerd() {
  local id
  if alive containerd; then
    for id in $(containerd_ctl -n k8s.io tasks list -q 2>/dev/null); do
      containerd_ctl -n k8s.io tasks kill -s SIGKILL "$id" >/dev/null 2>&1 || true
      timeout 10 ctr -a "$node/containerd.sock" -n k8s.io tasks delete -f "$id" >/dev/null 2>&1 || true
    done
  fi
  stop containerd
}

start_control_plane() {
  start etcd etcd --data-dir "$run/etcd" --listen-client-urls http://127.0.0.1:23790 --advertise-client-urls http://127.0.0.1:23790 \
    --listen-peer-urls http://127.0.0.1:23800 --initial-advertise-peer-urls http://127.0.0.1:23800 --initial-cluster default=http://127.0.0.1:23800
  start apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:23790 --bind-address="${api#https://}" --advertise-address="${api#https://}" \
    --endpoint-reconciler-type=none --secure-port=443 --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --client-ca-file="$pki/ca.crt" --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$pki/accounts.pub" \
    --service-account-signing-key-file="$pki/accounts.key" --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --allow-privileged=true --requestheader-client-ca-file="$pki/ca.crt" \
    --requestheader-allowed-names=front-proxy-client --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
    --proxy-client-cert-file="$pki/front-proxy.crt" --proxy-client-key-file="$pki/front-proxy.key" \
    --kubelet-preferred-address-types=Hostname --kubelet-certificate-authority="$pki/ca.crt" \
    --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key"
  export KUBECONFIG=$run/admin.kubeconfig
  await 60 'the API server' kubectl get --raw /readyz
  local conf=$run/controller-manager.kubeconfig
  start controller-manager "$bin/kube-controller-manager" --kubeconfig="$conf" --authentication-kubeconfig="$conf" \
    --authorization-kubeconfig="$conf" --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true \
    --service-account-private-key-file="$pki/accounts.key" --root-ca-file="$pki/ca.crt" --horizontal-pod-autoscaler-sync-period=5s
  conf=$run/scheduler.kubeconfig
  start scheduler "$bin/kube-scheduler" --kubeconfig="$conf" --authentication-kubeconfig="$conf" --authorization-kubeconfig="$conf" \
    --bind-address=127.0.0.1 --leader-elect=false
}

start_kubelet() {
  mkdir -p "$run/kubelet"
  cat >"$run/kubelet.yaml" <<EOM
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: 10250
healthzBindAddress: 127.0.0.1
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet.crt
tlsPrivateKeyFile: $pki/kubelet.key
cgroupDriver: cgroupfs
cgroupRoot: /
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
enforceNodeAllocatable: [none]
containerRuntimeEndpoint: unix://$node/containerd.sock
evictionHard: {memory.available: "100Mi", nodefs.available: "1%", imagefs.available: "1%", nodefs.inodesFree: "1%"}
podLogsDir: $run/podlogs
volumePluginDir: $run/volplugins
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
resolvConf: /etc/resolv.conf
shutdownGracePeriod: 0s
EOM
  start kubelet "$bin/kubelet" --config="$run/kubelet.yaml" --kubeconfig="$run/kubelet.kubeconfig" --hostname-override=localhost \
    --root-dir="$run/kubelet" --cert-dir="$run/kubelet/pki"
}

# The kubelet sets these, and leaves them so.
settings=(vm.overcommit_memory kernel.panic kernel.panic_on_oops)

remember_sysctl() {
  sysctl "${settings[@]}" >"$run/sysctl.before"
}

restore_sysctl() {
  [[ -s $run/sysctl.before ]] || return 0
  sysctl -q -p "$run/sysctl.before" || true
}

remove_cgroups() {
  local group
  for group in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
    [[ -d $group ]] && find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
  done
  return 0
}
