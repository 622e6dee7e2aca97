# shellcheck shell=bash
# Starting, awaiting and stopping the cluster's programs. Sourced by cluster, which sets run.
# shellcheck disable=SC2154

# start NAME COMMAND...: in a session of its own; its log and pid lie in $run. It has no other file of ours open: one may be a
# lock that somebody waits for.
start() {
  local name=$1 fd
  shift
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
    done
    exec setsid nohup "$@"
  ) >"$run/$name.log" 2>&1 </dev/null &
  echo "$!" "$(began $!)" >"$run/$name.pid"
}

# began PID: when a process began, in clock ticks since the machine did; nothing where there is none.
began() {
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# pid NAME: of what start started; nothing where there is none.
pid() {
  [[ -f $run/$1.pid ]] && cut -d' ' -f1 "$run/$1.pid"
}

alive() { # NAME: what start started, and no other process that has its number since
  local pid began
  [[ -f $run/$1.pid ]] && read -r pid began <"$run/$1.pid" && [[ -n $began && $(began "$pid") == "$began" ]]
}

# stop NAME...: one after the other, by pid; 10 s after SIGTERM with SIGKILL. It returns when they are gone.
stop() {
  local name i
  for name; do
    if alive "$name"; then kill "$(pid "$name")" 2>/dev/null || true; fi
    for ((i = 0; i < 100; i++)); do
      alive "$name" || break
      sleep 0.1
    done
    if alive "$name"; then kill -9 "$(pid "$name")" 2>/dev/null || true; fi
    rm -f "$run/$name.pid"
  done
}

# await SECONDS WHAT COMMAND...: until the command succeeds. Every wait of the cluster is one of these.
await() {
  local limit=$1 what=$2
  shift 2
  local end=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || die "$what: not ready after $limit s; the logs are $run/*.log"
    sleep 0.2
  done
}

unmount_under() { # PREFIX
  awk -v prefix="$1" 'index($2, prefix) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
    umount "$mount" || umount -l "$mount" || true
  done
}
