# Flink from the package registries: a FLINK_HOME to compile against, and an image with the
# official image's contract on Debian's Java.

FLINK_VERSION=2.3.0
FLINK_HOME_DIRECTORY=$CACHE/flink-$FLINK_VERSION
FLINK_ARCHIVE=$IMAGES/flink-$FLINK_VERSION.tar
FLINK_PLUGINS=(flink-sql-gateway flink-s3-fs-hadoop flink-s3-fs-native)
KAFKA_CONNECTOR=flink-sql-connector-kafka:5.0.0-2.2
JAVA_LAYER=$CACHE/build/flink-java.tar

begin_flink_home() {
  [ -e "$FLINK_HOME_DIRECTORY/complete" ] && return
  begin "fetching Flink $FLINK_VERSION (400 MB)" flink-home fetch_flink
}

fetch_flink() {
  set -e
  local work=$CACHE/build/flink part artifact
  rm -rf "$work" "$FLINK_HOME_DIRECTORY"
  fetch_wheels "$work" "apache-flink==$FLINK_VERSION" "apache-flink-libraries==$FLINK_VERSION"
  for part in bin conf lib opt plugins; do mv "$work/pyflink/$part" "$work/"; done
  mkdir -p "$work"/{log,usrlib,connectors}
  for artifact in "${FLINK_PLUGINS[@]}"; do fetch_jar "$artifact:$FLINK_VERSION" "$work/opt"; done
  fetch_jar $KAFKA_CONNECTOR "$work/connectors"
  rm -rf "$work"/{pyflink,wheels,*.libs,*.dist-info,*.data}
  chmod -R u=rwX,go=rX "$work"
  chmod a+x "$work"/bin/*
  # As the official image does: in a pod, "localhost" is not where the others are.
  sed -i -E 's/^( *bind-host:) localhost/\1 0.0.0.0/; s/^( *bind-address:) localhost/\1 0.0.0.0/; /^ +host: localhost/d' \
    "$work/conf/config.yaml"
  mv "$work" "$FLINK_HOME_DIRECTORY"
  touch "$FLINK_HOME_DIRECTORY/complete"
}

fetch_jar() {
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="org.apache.flink:$1" -DoutputDirectory="$2" -Dmdep.useBaseVersion=true
}

flink_image_sources() { cat "$HERE/lib/flink.sh" "$HERE/flink/docker-entrypoint.sh" | sha256sum; }

flink_image_is_built() {
  [ -e "$FLINK_ARCHIVE" ] && [ "$(cat "$FLINK_ARCHIVE.sources" 2>/dev/null)" = "$(flink_image_sources)" ]
}

begin_java_layer() {
  [ -e "$JAVA_LAYER" ] || flink_image_is_built ||
    begin "building the Flink image's Debian and Java" java-layer build_java_layer
}

build_java_layer() {
  set -e
  local root=$CACHE/build/flink-root
  rm -rf "$root"
  debian_root "$root" openjdk-17-jre-headless,ca-certificates,curl,gettext-base,libjemalloc2,procps
  chroot "$root" groupadd --system --gid 9999 flink
  chroot "$root" useradd --system --uid 9999 --gid flink --home-dir /opt/flink flink
  tar -C "$root" --numeric-owner -cf "$JAVA_LAYER.new" .
  mv "$JAVA_LAYER.new" "$JAVA_LAYER"
  rm -rf "$root"
}

begin_flink_image() {
  flink_image_is_built || begin "packing the image flink:$FLINK_VERSION" flink-image pack_flink_image
}

pack_flink_image() {
  set -e
  local layer=$CACHE/build/flink-layer.tar java
  java=/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture)
  tar -C "$FLINK_HOME_DIRECTORY" --owner=9999 --group=9999 --numeric-owner \
    --exclude=./connectors --exclude=./complete --transform='s,^\.,opt/flink,' -cf "$layer" .
  tar -C "$HERE/flink" --owner=0 --group=0 --mode=0755 -rf "$layer" docker-entrypoint.sh
  docker_archive "$FLINK_ARCHIVE" docker.io/library/flink:$FLINK_VERSION '{
    "Env": ["FLINK_HOME=/opt/flink", "JAVA_HOME='"$java"'",
      "PATH=/opt/flink/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "Entrypoint": ["/docker-entrypoint.sh"], "Cmd": ["help"], "User": "9999:9999",
    "WorkingDir": "/opt/flink", "ExposedPorts": {"6123/tcp": {}, "8081/tcp": {}}}' \
    "$JAVA_LAYER" "$layer"
  rm "$layer"
  flink_image_sources >"$FLINK_ARCHIVE.sources"
}
