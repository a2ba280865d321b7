# Changes the network of a host on trial, so that it comes back by itself unless somebody confirms in time.
#
# Sent as `sh -c SCRIPT sh VERB ...` by the caller, and run from the trial's own folder by the host itself.
# POSIX sh, as root; besides coreutils it needs setsid, of util-linux or busybox.
#
#   start     unpacks the trial, arms the watchdog, and only then lets the worker change anything
#   worker    carries out `apply`; the first command that fails has everything put back at once
#   guard     has a watchdog, and another one should that be killed
#   watchdog  waits for a decision or the deadline; then it alone keeps or restores
#   decide    makes the one decision of a trial: keep or restore; late is late
#   look      says how a trial stands; forget removes what is left of an ended one
#
# All of a trial is in /run, so that a reboot takes it back, too. /run/kvmkit/trial is also the lock: one
# trial per host. When it has ended, the folder is called by its id and holds the log and the outcome.
# The clock is the time since boot, which nobody sets; the unit is a hundredth of a second.

set -u
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
umask 022

home=/run/kvmkit
trial=$home/trial

now() {
    read -r up _ </proc/uptime
    echo "${up%.*}${up#*.}"
}

note() { echo "@ $(now) $(date -u +%H:%M:%S) $*" >>log; }

# Making a link is atomic and fails if there is one: the first to decide has decided.
rule() { ln -s "$1" decision 2>/dev/null; }

ruled() { readlink decision; }

# is_ours NUMBER: whether a process is this trial's.  Numbers are given again; only what this trial has started is in
# its folder, where nobody but root may be.
# shellcheck disable=SC3013 # dash, bash and busybox have -ef, and POSIX since 2024
is_ours() { [ "/proc/$1/cwd" -ef "$trial" ]; }

alive() { pid=$(cat "$1" 2>/dev/null) && is_ours "$pid"; }

# end_group NUMBER: kill that process group, unless the number is another one's by now.
end_group() {
    for process in /proc/[0-9]*; do
        is_ours "${process#/proc/}" || continue
        read -r stat 2>/dev/null <"$process/stat" || continue
        # Behind the name, which may have brackets: state, parent, group.
        # shellcheck disable=SC2086 # its fields
        set -- "$1" ${stat##*) }
        [ "$4" != "$1" ] || { kill -KILL "-$1"; return; }
    done
}

# detach ROLE: run it out of reach of the caller's session and of its end.
detach() {
    # What it starts, such as a DHCP client, has to live on: hence KillMode. --collect forgets the unit.
    if [ -d /run/systemd/system ] &&
        systemd-run --quiet --collect --property=KillMode=process sh "$trial/engine" "$1" </dev/null; then
        return
    fi
    setsid sh "$trial/engine" "$1" </dev/null >/dev/null 2>&1 &
}

# wait_for SECONDS COMMAND...
wait_for() {
    until_then=$(($(now) + $1 * 100))
    shift
    until "$@"; do
        [ "$(now)" -lt "$until_then" ] || return 1
        sleep 0.1
    done
}

start() { # ID SECONDS; standard input: lines of a name and its content in base64, at last `end`
    mkdir -p -m 700 "$home"
    # One that was killed while it was unpacked has not changed anything.
    [ -d "$trial" ] && [ ! -e "$trial/armed" ] && ! alive "$trial/starter" && rm -rf "$trial"
    if ! mkdir -m 700 "$trial" 2>/dev/null; then
        echo "$(cat "$trial/id") is on trial here"
        exit 3
    fi
    cd "$trial" || exit
    trap 'rm -rf "$trial"; rmdir "$home" 2>/dev/null' EXIT
    # Else it would end without that.
    trap 'exit 1' HUP INT TERM
    echo $$ >starter
    echo "$1" >id
    name=
    while read -r name content && [ "$name" != end ]; do
        echo "$content" | base64 -d >"$name" || exit
    done
    [ "$name" = end ] || { echo "the connection ended before all had arrived" >&2; exit 1; }
    rm -rf "${home:?}/$1"
    echo $(($(now) + $2 * 100)) >deadline
    detach guard
    wait_for 10 test -s armed || { echo "the watchdog did not start: nothing was changed" >&2; exit 1; }
    trap - EXIT
    detach worker
}

worker() {
    # The number comes first: a watchdog that decides now either finds it or is seen by the next line.
    echo $$ >worker
    if alive armed && ! ruled >/dev/null; then
        note applying
        if sh -ex apply; then
            note applied
        else
            note failed
            rule restore
        fi
    fi
    rm -f worker
}

guard() {
    echo $$ >guard
    while
        sh ./engine watchdog
        [ -e armed ]
    do
        note "the watchdog was killed"
        sleep 0.1
    done
}

watchdog() {
    # One that was killed while it cleared away had done all else.
    [ -e outcome ] && clear_away && return
    echo $$ >armed.new
    mv armed.new armed
    # No process but `sleep` is started here, so as not to slow the change down.
    until [ -L decision ]; do
        read -r due <deadline
        read -r up _ </proc/uptime
        if [ "${up%.*}${up#*.}" -ge "$due" ]; then
            rule restore && note "nobody confirmed in time"
            break
        fi
        sleep 0.1
    done
    # The worker leads a process group: what it waits for goes, too.
    number=$(cat worker 2>/dev/null) && end_group "$number"
    if [ "$(ruled)" = keep ]; then
        note keeping
        if sh -ex keep; then
            finish kept
            return
        fi
        note "not kept"
        sh -x unkeep
    fi
    note restoring
    sh -x restore
    finish restored
}

finish() { # OUTCOME; whoever was in the folder stays in it when its name changes
    note "$1"
    echo "$1" >outcome
    clear_away
}

clear_away() {
    [ "$(cat "$trial/id" 2>/dev/null)" != "$(cat id)" ] || mv "$trial" "$home/$(cat id)"
    for file in *; do
        case $file in log | outcome) ;; *) rm -rf "$file" ;; esac
    done
}

enter() { # ID
    cd "$trial" 2>/dev/null && [ "$(cat id)" = "$1" ]
}

decide() { # ID WORD; 4: too late
    enter "$1" && rule "$2" || exit 4
    # Should somebody have killed both.
    alive guard || alive armed || detach guard
    wait_for 120 test -e outcome
}

look() { # ID
    enter "$1" || cd "$home/$1" 2>/dev/null || { echo absent; exit; }
    cat outcome 2>/dev/null || ruled || echo running
    cat log
}

case $1 in
start | decide | look) "$@" ;;
forget) # ID
    rm -rf "${home:?}/$2"
    rmdir "$home" 2>/dev/null || :
    ;;
worker | guard | watchdog)
    cd "${0%/*}" || exit
    exec >>log 2>&1
    "$1"
    ;;
esac
