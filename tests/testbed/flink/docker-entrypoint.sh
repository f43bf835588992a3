#!/bin/bash
# The contract of the official image: the first argument names a process of Flink, or is any
# other command; ENABLE_BUILT_IN_PLUGINS names jars of opt/, separated by semicolons.
set -e

IFS=';' read -ra plugins <<<"${ENABLE_BUILT_IN_PLUGINS:-}"
for jar in "${plugins[@]}"; do
  mkdir -p "$FLINK_HOME/plugins/${jar%.jar}"
  ln -sf "$FLINK_HOME/opt/$jar" "$FLINK_HOME/plugins/${jar%.jar}/"
done

if [ "${DISABLE_JEMALLOC:-false}" = false ]; then
  LD_PRELOAD=$(find /usr/lib -name libjemalloc.so.2 | head -n 1)
  export LD_PRELOAD
fi

case ${1:-help} in
  help)
    echo "Usage: $(basename "$0") (jobmanager|standalone-job|taskmanager|history-server|COMMAND...)"
    ;;
  jobmanager | standalone-job | taskmanager)
    process=$1
    shift
    exec "$FLINK_HOME/bin/$process.sh" start-foreground "$@"
    ;;
  history-server)
    shift
    exec "$FLINK_HOME/bin/historyserver.sh" start-foreground "$@"
    ;;
  *)
    exec "$@"
    ;;
esac
