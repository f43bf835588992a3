# Starting processes and ending exactly those. A pid alone is no name: it is used again after
# a while, so that a pid file also holds when the process began, and in which boot.

process_identity() {
  local fields
  fields=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 1
  # Field 22 of /proc/PID/stat is the start time; two fields stand before the cut.
  echo "$1 $(echo "$fields" | cut -d' ' -f20) $(cat /proc/sys/kernel/random/boot_id)"
}

# start NAME COMMAND...: a process that outlives this shell and holds none of its files.
start() {
  local name=$1
  shift
  mkdir -p "$RUN/pids" "$RUN/logs"
  setsid "$@" >"$RUN/logs/$name.log" 2>&1 </dev/null 9>&- &
  process_identity $! >"$RUN/pids/$name" || true
}

start_inside() {
  local name=$1
  shift
  start "$name" nsenter --net="$NETWORK_NAMESPACE" "$@"
}

running() {
  [ -s "$RUN/pids/$1" ] || return 1
  local pid rest
  read -r pid rest <"$RUN/pids/$1"
  [ "$(process_identity "$pid")" = "$pid $rest" ] && ! grep -q '^State:.*Z' "/proc/$pid/status"
}

# stop NAME...: asks all, then waits for all, and after 3 seconds asks no longer: none of them has
# anything to lose.
stop() {
  local name signal pid
  for signal in TERM KILL; do
    for name in "$@"; do
      running "$name" || continue
      read -r pid _ <"$RUN/pids/$name"
      kill -s $signal "$pid" 2>/dev/null || true
    done
    wait_until 3 "$* to end" none_running "$@" && break
  done
  for name in "$@"; do rm -f "$RUN/pids/$name"; done
}

none_running() {
  local name
  for name in "$@"; do ! running "$name" || return 1; done
}

# explain NAME WHAT: ends the command with the last lines of a process that did not come up.
explain() {
  tail -n 15 "$RUN/logs/$1.log" >&2
  fail "$2; the whole log is $RUN/logs/$1.log"
}
