# The node's network: a namespace of its own with one bridge, so that nothing of the machine's
# network is touched and removing the namespace removes everything.

NAMESPACE=${STREAMJOB_TESTBED_NAME:-streamjob}
NETWORK_NAMESPACE=/run/netns/$NAMESPACE
OWNER_FILE=/run/$NAMESPACE-testbed-owner
NODE_ADDRESS=10.244.0.1
POD_NETWORK=10.244.0.0/24
SERVICE_NETWORK=10.96.0.0/16

network_up() {
  echo "$CACHE" >"$OWNER_FILE"
  ip netns add "$NAMESPACE"
  ip -n "$NAMESPACE" link set lo up
  ip -n "$NAMESPACE" link add cni0 type bridge
  ip -n "$NAMESPACE" addr add $NODE_ADDRESS/24 dev cni0
  ip -n "$NAMESPACE" link set cni0 up
  # A Service's address is rewritten only after a route was found for it.
  ip -n "$NAMESPACE" route add $SERVICE_NETWORK dev cni0
  inside sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
}

# Ends what still runs in the namespace, commands of "enter" too, and removes it.
network_down() {
  [ -e "$NETWORK_NAMESPACE" ] || return 0
  local signal
  for signal in TERM KILL; do
    ip netns pids "$NAMESPACE" | xargs --no-run-if-empty kill -s $signal 2>/dev/null || true
    wait_until 3 "processes in the cluster's network to end" network_is_empty && break
  done
  ip netns del "$NAMESPACE"
  rm -f "$OWNER_FILE"
}

network_is_empty() { [ -z "$(ip netns pids "$NAMESPACE")" ]; }

# Two caches must not meet in one namespace.
claim_network() {
  local owner
  owner=$(cat "$OWNER_FILE" 2>/dev/null) || owner=$CACHE
  [ "$owner" = "$CACHE" ] ||
    fail "another test bed (its cache is $owner) uses the name $NAMESPACE: end it with" \
      "STREAMJOB_CACHE=$owner make cluster-down, or set STREAMJOB_TESTBED_NAME to another name"
}

# Not `ip netns exec`: that mounts a new /sys, in which no cgroups are.
inside() { nsenter --net="$NETWORK_NAMESPACE" "$@"; }

# enter COMMAND...: in the node's network, with the cluster's name service.
enter() {
  running kube-apiserver || fail "the cluster is not up: run \"$0 up\""
  # shellcheck disable=SC2016 # the inner shell expands its own arguments
  KUBECONFIG=$RUN/kubeconfig-inside exec nsenter --net="$NETWORK_NAMESPACE" \
    unshare --mount --propagation private sh -c '
      mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"' "$RUN/resolv.conf" "$@"
}
