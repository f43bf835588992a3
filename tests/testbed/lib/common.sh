# Where things are kept, how progress is told, and what is taken from Debian.

CACHE=${STREAMJOB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/streamjob}
BIN=$CACHE/bin
RUN=$CACHE/run
LOGS=$CACHE/logs

say() { echo "testbed: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

require_root() {
  [ "$(id -u)" = 0 ] || fail "this needs root: it makes a network namespace, mounts and cgroups"
}

# One build or change of the cluster at a time; whoever comes second waits.
exclusively() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock --nonblock 9 || { say "waiting for another run of the test bed to end"; flock 9; }
}

declare -A TASK_TITLES=() TASK_LOGS=()

# begin TITLE NAME COMMAND...: starts a command in the background with a log of its own.
begin() {
  local title=$1 log=$LOGS/$2.log
  shift 2
  mkdir -p "$LOGS"
  # With job control it has a process group, by which all of it ends when this command does.
  set -m
  ("$@") >"$log" 2>&1 </dev/null 9>&- &
  set +m
  TASK_TITLES[$!]=$title
  TASK_LOGS[$!]=$log
  trap stop_tasks EXIT
}

stop_tasks() {
  local pid
  for pid in "${!TASK_TITLES[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
}

# finish: waits for all begun commands; names the unfinished ones every 8 seconds.
finish() {
  local started=$SECONDS told=$SECONDS pid code
  say "$(task_titles) ..."
  while [ ${#TASK_TITLES[@]} -gt 0 ]; do
    for pid in "${!TASK_TITLES[@]}"; do
      kill -0 "$pid" 2>/dev/null && continue
      code=0
      wait "$pid" || code=$?
      [ $code = 0 ] || task_failed "$pid" $code
      say "done: ${TASK_TITLES[$pid]} ($((SECONDS - started)) s)"
      unset "TASK_TITLES[$pid]"
      told=$SECONDS
    done
    if ((SECONDS - told >= 8)); then
      say "still $(task_titles) ($((SECONDS - started)) s)"
      told=$SECONDS
    fi
    sleep 0.2
  done
  trap - EXIT
}

task_titles() {
  local joined
  joined=$(printf '%s; ' "${TASK_TITLES[@]}")
  echo "${joined%; }"
}

task_failed() {
  tail -n 30 "${TASK_LOGS[$1]}" >&2
  fail "failed (exit code $2): ${TASK_TITLES[$1]}; the whole log is ${TASK_LOGS[$1]}"
}

# with_progress TITLE NAME COMMAND...
with_progress() {
  begin "$@"
  finish
}

# wait_until SECONDS WHAT COMMAND...: polls a command; the log of the component is for the caller.
wait_until() {
  local deadline=$((SECONDS + $1)) what=$2 told=$SECONDS
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    if ((SECONDS - told >= 8)); then
      say "still waiting for $what"
      told=$SECONDS
    fi
    sleep 0.1
  done
}

# need FILE-OR-COMMAND=PACKAGE...: installs the Debian packages whose command or file is missing.
need() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || [ -e "${pair%%=*}" ] || missing+=("${pair##*=}")
  done
  [ ${#missing[@]} = 0 ] || install "${missing[@]}"
}

install() {
  require_root
  command -v apt-get >/dev/null || fail "please install: $*"
  with_progress "installing from Debian: $*" packages install_packages "$@"
}

install_packages() {
  set -e
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}
