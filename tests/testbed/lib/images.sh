# Images without a registry: docker archives, made from tar files or by buildah.

IMAGES=$CACHE/images
PAUSE_IMAGE=docker.io/library/streamjob-testbed-pause:1

# docker_archive FILE NAME CONFIG LAYER...: an image from layers that are tar files.
docker_archive() {
  local file=$1 name=$2 config=$3 work layer digests=() layers=() history=()
  shift 3
  work=$(mktemp -d "$CACHE/build/archive.XXXXXX")
  for layer in "$@"; do
    digests+=("\"sha256:$(sha256sum "$layer" | cut -d' ' -f1)\"")
    layers+=("\"$(basename "$layer")\"")
    # Builders refuse a base image whose history does not account for its layers.
    history+=('{"created_by":"testbed"}')
    ln "$layer" "$work/"
  done
  local IFS=,
  {
    printf '{"architecture":"%s","os":"linux","config":%s,' "$(dpkg --print-architecture)" "$config"
    printf '"history":[%s],' "${history[*]}"
    printf '"rootfs":{"type":"layers","diff_ids":[%s]}}' "${digests[*]}"
  } >"$work/config.json"
  printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":[%s]}]' \
    "$name" "${layers[*]}" >"$work/manifest.json"
  mkdir -p "$IMAGES"
  tar -C "$work" -cf "$file.new" manifest.json config.json "${@##*/}"
  mv "$file.new" "$file"
  rm -rf "$work"
}

# load_image ARCHIVE...: brings docker archives into the node; one that is there already is not.
load_image() {
  local archive name mark
  running containerd || fail "the cluster is not up: run \"$0 up\""
  mkdir -p "$CONTAINERD_ROOT/loaded"
  for archive in "$@"; do
    [ -f "$archive" ] || fail "no such image archive: $archive"
    name=$(image_name "$archive")
    mark=$CONTAINERD_ROOT/loaded/${name//\//_}
    is_loaded "$name" && [ "$(cat "$mark" 2>/dev/null)" = "$(file_identity "$archive")" ] && continue
    with_progress "loading the image $name" load-image import_image "$archive"
    file_identity "$archive" >"$mark"
  done
}

image_name() { tar --occurrence=1 -xOf "$1" manifest.json | grep -oP '"RepoTags":\s*\["\K[^"]+'; }

is_loaded() { containers images ls --quiet | grep -qxF "$1"; }

file_identity() { stat -c '%n %s %y' "$(readlink -f "$1")"; }

import_image() { containers images import --snapshotter "$(snapshotter)" "$1"; }

load_pause_image() {
  is_loaded $PAUSE_IMAGE && return
  local work=$CACHE/build/pause
  mkdir -p "$work"
  tar -C "$BIN" --owner=0 --group=0 --numeric-owner -cf "$work/pause-layer.tar" pause
  docker_archive "$work/pause.tar" $PAUSE_IMAGE '{"Entrypoint":["/pause"],"User":"65535:65535"}' \
    "$work/pause-layer.tar"
  import_image "$work/pause.tar" >/dev/null
}

# debian_root DIRECTORY [PACKAGES]: a minimal Debian 12, from where this machine has its own.
debian_root() {
  local directory=$1 packages=${2:-} mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Codename: bookworm' 2>/dev/null | head -n 1)
  mkdir -p "$CACHE/build/debs" "$(dirname "$directory")"
  debootstrap --variant=minbase --cache-dir="$CACHE/build/debs" \
    ${packages:+"--include=$packages"} bookworm "$directory" ${mirror:+"$mirror"}
  rm -rf "$directory"/var/cache/apt/*.bin "$directory"/var/cache/apt/archives/*.deb \
    "$directory"/var/lib/apt/lists/* "$directory"/usr/share/{doc,man,locale}/* "$directory"/var/log/*
}
