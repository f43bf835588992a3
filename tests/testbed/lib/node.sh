# The one node: containerd, kubelet, kube-proxy, and the cluster's name service.

NODE_NAME=local-1
CONTAINERD_ROOT=$CACHE/containerd
CONTAINERD_SOCKET=$RUN/containerd.sock
CGROUP=$NAMESPACE-testbed

containers() { ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"; }

# A layered file system can't lie on another one, as in a container's own root.
snapshotter() {
  mkdir -p "$CONTAINERD_ROOT"
  [ "$(stat -f -c %T "$CONTAINERD_ROOT")" = overlayfs ] && echo native || echo overlayfs
}

containerd_up() {
  mkdir -p "$RUN/cni"
  containerd_config >"$RUN/containerd.toml"
  cni_config >"$RUN/cni/10-bridge.conflist"
  start_inside containerd containerd --config "$RUN/containerd.toml"
  wait_until 30 containerd containers version || explain containerd "containerd did not start"
}

containerd_config() {
  local cri=io.containerd.grpc.v1.cri cni_plugins=/usr/lib/cni
  [ -x $cni_plugins/bridge ] || cni_plugins=/opt/cni/bin
  cat <<END
version = 2
root = "$CONTAINERD_ROOT"
state = "$RUN/containerd"
[grpc]
  address = "$CONTAINERD_SOCKET"
[plugins."io.containerd.internal.v1.opt"]
  path = "$RUN/containerd-opt"
[plugins."$cri"]
  sandbox_image = "$PAUSE_IMAGE"
  netns_mounts_under_state_dir = true
  # A root user without CAP_SYS_RESOURCE may not lower the score.
  restrict_oom_score_adj = true
  [plugins."$cri".cni]
    bin_dir = "$cni_plugins"
    conf_dir = "$RUN/cni"
  [plugins."$cri".containerd]
    snapshotter = "$(snapshotter)"
    default_runtime_name = "runc"
    [plugins."$cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."$cri".containerd.runtimes.runc.options]
        Root = "$RUN/runc"
END
}

cni_config() {
  cat <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$RUN/addresses",
            "ranges": [[{"subnet": "$POD_NETWORK", "rangeStart": "10.244.0.10"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
}

node_up() {
  make_cgroups
  kubelet_config >"$RUN/kubelet.yaml"
  start_inside kubelet "$KUBE" kubelet --config "$RUN/kubelet.yaml" --root-dir "$RUN/kubelet" \
    --kubeconfig "$RUN/kubeconfig-inside" --hostname-override $NODE_NAME --node-ip $NODE_ADDRESS \
    --node-labels topology.kubernetes.io/region=local-1,topology.kubernetes.io/zone=local-1-a
  kube_proxy_config >"$RUN/kube-proxy.yaml"
  start_inside kube-proxy "$KUBE" kube-proxy --config "$RUN/kube-proxy.yaml"
  name_service_config >"$RUN/Corefile"
  printf 'nameserver %s\nsearch svc.cluster.local cluster.local\noptions ndots:5\n' \
    $NODE_ADDRESS >"$RUN/resolv.conf"
  start_inside coredns "$KUBE" coredns -conf "$RUN/Corefile"
  wait_until 60 "the node" node_is_ready || explain kubelet "the node did not become ready"
  wait_until 20 "the name service" inside bash -c ": </dev/tcp/$NODE_ADDRESS/53" ||
    explain coredns "the name service did not start"
  wait_until 20 "the default service account" kubectl_inside get serviceaccount default ||
    explain kube-controller-manager "the controllers do not work"
}

node_is_ready() {
  kubectl_inside wait --for=condition=Ready --timeout=1s "node/$NODE_NAME"
}

# All containers live below one cgroup, by which they are found again whatever happened.
make_cgroups() {
  local hierarchy
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    sed 's/\(^\| \)/ +/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
    mkdir -p "/sys/fs/cgroup/$CGROUP"
    return
  fi
  for hierarchy in /sys/fs/cgroup/*/; do
    [ ! -e "$hierarchy/cgroup.procs" ] || mkdir -p "$hierarchy/$CGROUP"
  done
}

kubelet_config() {
  # Nothing is evicted for a full disk, and images are never collected: there is no registry
  # that they could come back from.
  cat <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
address: $NODE_ADDRESS
healthzBindAddress: 127.0.0.1
readOnlyPort: 0
clusterDomain: cluster.local
clusterDNS: [$NODE_ADDRESS]
resolvConf: ""
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failSwapOn: false
oomScoreAdj: 0
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
podLogsDir: $RUN/pod-logs
volumePluginDir: $RUN/kubelet/volume-plugins
evictionHard: {memory.available: 100Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
END
}

kube_proxy_config() {
  cat <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $RUN/kubeconfig-inside}
mode: iptables
clusterCIDR: $POD_NETWORK
hostnameOverride: $NODE_NAME
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
END
}

name_service_config() {
  cat <<END
.:53 {
  bind $NODE_ADDRESS
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $RUN/kubeconfig-inside
    ttl 1
  }
}
END
}

# Ends every container, its shim, and whatever these left behind.
containers_down() {
  local container pid
  for pid in $(find /sys/fs/cgroup -path "*/$CGROUP/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u); do
    kill -s KILL "$pid" 2>/dev/null || true
  done
  if running containerd; then
    for container in $(containers container ls --quiet); do
      containers task rm --force "$container" >/dev/null 2>&1 || true
      containers container rm "$container" >/dev/null 2>&1 || true
    done
  fi
  stop containerd
  # A shim is no child of containerd, so that containers survive its restart.
  for pid in $(pgrep -f "^[^ ]*containerd-shim-runc-v2 .*-address $CONTAINERD_SOCKET( |\$)"); do
    kill -s KILL "$pid" 2>/dev/null || true
  done
}

mounts_down() {
  local mount
  # Mounts upon mounts: the deepest first.
  grep -oE "^[^ ]+ $CACHE/[^ ]+" /proc/mounts | cut -d' ' -f2 | sort -r | while read -r mount; do
    umount --lazy "$mount" 2>/dev/null || true
  done
  # kubelet links every log to this place, wherever the logs themselves are.
  find /var/log/containers -lname "$RUN/*" -delete 2>/dev/null || true
  find /sys/fs/cgroup -depth -type d -path "*/$CGROUP*" -exec rmdir {} + 2>/dev/null || true
}
