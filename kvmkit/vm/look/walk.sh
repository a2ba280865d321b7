# Tells what files of this host are, and what they lie on.  Sent to `sh -s`, with `look` (look.sh), `look_awk`
# (headers.awk, notation.awk) and `next_awk` (next.awk) set in front of it, and `walk` called behind it.
# POSIX sh with awk, od, stat, head, find and timeout.  It only reads.
#
# No name of a file is ever printed as it is: what a line says is made of hexadecimal digits and of words of
# this script's own, so that nothing that a file, a link or an image's header says can pose as an answer.

LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
: "${look:?}" "${look_awk:?}" "${next_awk:?}"
patience=10
together=250
begun=$(date +%s)
stuck='|'

# hex TEXT: its bytes in hexadecimal.
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

# unseen WORD PATH...: a line for each of what was not looked at.
unseen() {
    word=$1
    shift
    [ $# = 0 ] || printf '%s\0' "$@" | od -An -v -tx1 | awk -v word="$word" '{
        for (i = 1; i <= NF; i++)
            if ($i == "00") { print "file " name " - - " word " none"; name = "" } else name = name $i
    }'
}

silent() { case $stuck in *"|${1%/*}|"*) ;; *) return 1 ;; esac; }
late() { [ $(($(date +%s) - begun)) -gt 50 ]; }

# chunk PATH...: a line for each; one that does not answer is left behind, and the others in its folder with it.
chunk() {
    [ "$stuck" = '|' ] || leave_silent "$@"
    for one do
        shift
        silent "$one" || set -- "$@" "$one"
    done
    [ $# = 0 ] && return
    if late; then
        unseen no-time "$@"
    elif told=$(timeout -s KILL "$patience" sh -c "$look" look "$look_awk" "$@" </dev/null 2>/dev/null); then
        printf '%s\n' "$told"
    else
        for one do chunk_of_one "$one"; done
    fi
}

leave_silent() {
    for one do
        shift
        ! silent "$one" || set -- "$@" "$one"
    done
    unseen no-answer "$@"
}

chunk_of_one() {
    if silent "$1"; then
        unseen no-answer "$1"
    elif late; then
        unseen no-time "$1"
    elif told=$(timeout -s KILL 5 sh -c "$look" look "$look_awk" "$1" </dev/null 2>/dev/null); then
        printf '%s\n' "$told"
    elif [ $? = 137 ]; then
        stuck="$stuck${1%/*}|"
        unseen no-answer "$1"
    else
        unseen error "$1"
    fi
}

# folder PATH: tells the names of what is in it that is no folder, for the next round.
folder() {
    names=$(timeout -s KILL "$patience" sh -c '
        if [ ! -e "$1" ]; then
            ! stat -L -- "$1" 2>&1 | grep -q ": Permission denied$" || exit 13
        elif [ ! -r "$1" ] || [ ! -x "$1" ]; then
            exit 13
        else
            find "$1/" -mindepth 1 -maxdepth 1 ! -type d -print0 | od -An -v -tx1
        fi' folder "$1" </dev/null 2>/dev/null)
    case $? in
        0) echo "folder $(hex "$1") ok" ;;
        13) echo "folder $(hex "$1") denied" ;;
        *) echo "folder $(hex "$1") no-answer" ;;
    esac
    printf '%s\n' "$names" | awk '{ for (i = 1; i <= NF; i++) if ($i == "00") { print "found " name; name = "" } else name = name $i }'
}

# Loop devices of this host, which read and write files for whoever uses them.
loops() {
    for told in /sys/block/loop*/loop/backing_file; do
        [ -r "$told" ] || continue
        device=${told#/sys/block/}
        echo "loop $(hex "/dev/${device%%/*}") $(hex "$(cat "$told" 2>/dev/null)")"
    done
}

# walk: reads lines "file HEX" and "folder HEX", and follows what they lead to.
walk() {
    all=$(cat; loops)
    round=0
    while todo=$(printf '%s\n' "$all" | awk -v together="$together" "$next_awk") && [ "$todo" ]; do
        # A chain may be as long as libvirt's and QEMU's own limits allow, and no longer.
        round=$((round + 1))
        [ $round -le 250 ] || break
        all="$all
done
$(eval "$todo")"
    done
    printf '%s\n' "$all"
    echo end
}
