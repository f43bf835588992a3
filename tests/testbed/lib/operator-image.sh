# The operator's image from the project's Dockerfile, by buildah: no daemon, no registry.

PROJECT=$(dirname "$(dirname "$HERE")")
BASE_IMAGE=docker.io/library/debian:bookworm-slim

# operator_image FILE: builds what changed and writes a docker archive.
operator_image() {
  local file=$1 version name
  require_root
  need buildah=buildah debootstrap=debootstrap python3=python3
  mkdir -p "$CACHE/build" "$(dirname "$file")"
  version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$PROJECT/operator/streamjob_operator/__init__.py")
  name=docker.io/library/streamjob-operator:${version:?no version in the package}
  find_image_tool
  "${IMAGE_TOOL[@]}" images --quiet $BASE_IMAGE >/dev/null 2>&1 ||
    with_progress "making the base image ${BASE_IMAGE##*/}" base-image make_base_image
  with_progress "building the image ${name##*/}" operator-image build_operator_image "$file" "$name"
}

# Sets IMAGE_TOOL: buildah with storage of its own, whose mounts end with each command.
find_image_tool() {
  local driver=overlay
  [ "$(snapshotter)" = overlayfs ] || driver=vfs
  IMAGE_TOOL=(unshare --mount buildah --root "$CACHE/buildah" --runroot "$CACHE/buildah-run"
    --storage-driver "$driver")
}

make_base_image() {
  set -e
  # A machine that reaches the registry has it soon.
  if timeout 30 "${IMAGE_TOOL[@]}" pull --quiet $BASE_IMAGE; then return; fi
  # That image is a minimal Debian, which debootstrap makes as well.
  local work=$CACHE/build/base
  rm -rf "$work"
  debian_root "$work/root"
  tar -C "$work/root" --numeric-owner -cf "$work/base-layer.tar" .
  docker_archive "$work/base.tar" $BASE_IMAGE '{"Cmd":["bash"]}' "$work/base-layer.tar"
  "${IMAGE_TOOL[@]}" pull "docker-archive:$work/base.tar"
  rm -rf "$work"
}

build_operator_image() {
  set -e
  local file=$1 name=$2 secrets=() began
  began=$(date +%s.%N)
  pip_settings "$CACHE/build/pip.conf"
  secrets=(--secret "id=pip.conf,src=$CACHE/build/pip.conf")
  [ -z "$AUTHORITY" ] || secrets+=(--secret "id=ca.crt,src=$AUTHORITY")
  "${IMAGE_TOOL[@]}" build --isolation chroot --network host --layers --pull-never "${secrets[@]}" \
    --tag "$name" "$PROJECT"
  rm -f "$file.new"
  "${IMAGE_TOOL[@]}" push "$name" "docker-archive:$file.new:$name"
  # An edit made during the build is newer than its result.
  touch --date="@$began" "$file.new"
  mv "$file.new" "$file"
}

# pip_settings FILE: how this machine reaches its package index, for use inside the build. Sets
# AUTHORITY to the machine's own certificate authority, if it has one.
pip_settings() {
  local key value settings
  find_pip
  settings=$("${PIP[@]}" config list | sort)
  setting() { sed -n "s/^\(:env:\|global\)\.$1='\(.*\)'\$/\2/p" <<<"$settings" | head -n 1; }
  AUTHORITY=$(setting cert)
  [ -n "$AUTHORITY" ] || AUTHORITY=${REQUESTS_CA_BUNDLE:-${SSL_CERT_FILE:-}}
  {
    echo "[global]"
    for key in index-url extra-index-url trusted-host proxy; do
      value=$(setting $key)
      [ -z "$value" ] || echo "$key = $value"
    done
    echo "timeout = 60"
    [ -z "$AUTHORITY" ] || echo "cert = /run/ca.crt"
  } >"$1"
}
