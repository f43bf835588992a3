# etcd, API server, controllers, scheduler, and the way in from outside the namespace.

API_PORT=6443
CONTEXT=streamjob-testbed

control_plane_up() {
  make_certificates
  make_credentials
  start_inside etcd "$KUBE" etcd --data-dir "$RUN/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
  api_server_up
  # Every controller but those that belong to a cloud or to a node's address range.
  start_inside kube-controller-manager "$KUBE" kube-controller-manager \
    --kubeconfig "$RUN/kubeconfig-inside" --leader-elect=false --bind-address 127.0.0.1 \
    --controllers '*,-node-ipam-controller,-node-route-controller,-service-lb-controller' \
    --service-account-private-key-file "$RUN/pki/service-accounts.key" \
    --root-ca-file "$RUN/pki/ca.crt"
  start_inside kube-scheduler "$KUBE" kube-scheduler \
    --kubeconfig "$RUN/kubeconfig-inside" --leader-elect=false --bind-address 127.0.0.1
  start relay "$KUBE" relay "127.0.0.1:$OUTSIDE_PORT" "$NETWORK_NAMESPACE" "$NODE_ADDRESS:$API_PORT"
}

api_server_up() {
  start_inside kube-apiserver "$KUBE" kube-apiserver --etcd-servers http://127.0.0.1:2379 \
    --bind-address $NODE_ADDRESS --advertise-address $NODE_ADDRESS --secure-port $API_PORT \
    --tls-cert-file "$RUN/pki/apiserver.crt" --tls-private-key-file "$RUN/pki/apiserver.key" \
    --token-auth-file "$RUN/pki/tokens.csv" --authorization-mode Node,RBAC \
    --service-account-key-file "$RUN/pki/service-accounts.key" \
    --service-account-signing-key-file "$RUN/pki/service-accounts.key" \
    --service-account-issuer https://kubernetes.default.svc \
    --service-cluster-ip-range $SERVICE_NETWORK --allow-privileged \
    --kubelet-preferred-address-types InternalIP
  wait_until 60 "the API server" kubectl_inside get --raw /readyz ||
    explain kube-apiserver "the API server did not become ready"
}

# crash_api_server SECONDS: ends it by SIGKILL, and starts it again so much later.
crash_api_server() {
  local pid
  running kube-apiserver || fail "the API server does not run"
  read -r pid _ <"$RUN/pids/kube-apiserver"
  kill -s KILL "$pid"
  wait_until 5 "the API server to end" none_running kube-apiserver ||
    fail "the API server (pid $pid) did not end"
  sleep "$1"
  api_server_up
}

kubectl_inside() { inside "$KUBE" kubectl --kubeconfig "$RUN/kubeconfig-inside" "$@"; }

make_certificates() {
  local pki=$RUN/pki names
  mkdir -p "$pki"
  names="IP:127.0.0.1,IP:$NODE_ADDRESS,IP:10.96.0.1,DNS:localhost,DNS:kubernetes"
  names+=",DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  (
    umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
      -subj "/CN=streamjob-testbed" -keyout "$pki/ca.key" -out "$pki/ca.crt"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
      -subj "/CN=kube-apiserver" -keyout "$pki/apiserver.key" -out "$pki/apiserver.csr"
    openssl x509 -req -in "$pki/apiserver.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" \
      -CAcreateserial -days 3650 -extfile <(echo "subjectAltName=$names") -out "$pki/apiserver.crt"
    openssl genrsa -out "$pki/service-accounts.key" 2048
  ) 2>"$RUN/logs/openssl.log" || fail "openssl failed; its messages are in $RUN/logs/openssl.log"
}

make_credentials() {
  local token
  token=$(openssl rand -hex 24)
  OUTSIDE_PORT=$(free_port)
  (
    umask 077
    echo "$token,admin,admin,system:masters" >"$RUN/pki/tokens.csv"
    kubeconfig "https://$NODE_ADDRESS:$API_PORT" "$token" >"$RUN/kubeconfig-inside"
    kubeconfig "https://127.0.0.1:$OUTSIDE_PORT" "$token" >"$RUN/kubeconfig"
  )
}

kubeconfig() {
  cat <<END
apiVersion: v1
kind: Config
current-context: $CONTEXT
contexts:
- name: $CONTEXT
  context: {cluster: $CONTEXT, user: admin}
clusters:
- name: $CONTEXT
  cluster:
    server: $1
    certificate-authority-data: $(base64 -w0 "$RUN/pki/ca.crt")
users:
- name: admin
  user: {token: $2}
END
}

# The first port of the machine's loopback that nobody listens on.
free_port() {
  local port
  for port in ${STREAMJOB_TESTBED_PORT:-$(seq 16443 16463)}; do
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  fail "no free port for the API server: set STREAMJOB_TESTBED_PORT"
}
