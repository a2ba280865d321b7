# Looks at files, and replaces them so that a power cut leaves the old one or the new one.
# Run as `sh -c SCRIPT sh VERB ARGUMENTS`. Contents are in base64: they need not be text.

set -eu
LC_ALL=C
export LC_ALL

# part FILE: the name under which its successor is written, in the same folder; apt, dnf and zypper ignore it.
part() { echo "${1%/*}/.${1##*/}.kvmkit"; }

verb=$1
shift
case $verb in
look | read) # FILE...: a line for each; `read` follows links
    for file in "$@"; do
        if [ "$verb" = look ] && [ -L "$file" ]; then
            echo link
        elif [ ! -e "$file" ]; then
            echo absent
        elif [ -f "$file" ]; then
            content=$(base64 "$file" | tr -d '\n')
            echo "file $content"
        else
            echo other
        fi
    done
    ;;
keep) # FILE COPY: copy it with its owner, mode, times and label
    mkdir -p -m 700 "${2%/*}"
    cp --preserve=all "$1" "$2.part"
    sync "$2.part"
    mv -f "$2.part" "$2"
    sync "${2%/*}"
    ;;
write) # FILE BYTES: standard input becomes the file; owner, mode and label stay
    new=$(part "$1")
    old=
    if [ -e "$1" ]; then
        old=yes
        cp --preserve=all "$1" "$new"
    fi
    umask 022
    base64 -d >"$new"
    if [ "$(wc -c <"$new")" -ne "$2" ]; then
        rm -f "$new"
        echo "the connection ended before all of $1 had arrived" >&2
        exit 1
    fi
    sync "$new"
    mv -f "$new" "$1"
    # A new file gets the label that SELinux's policy has for its name.
    [ -n "$old" ] || ! command -v restorecon >/dev/null || restorecon "$1"
    sync "${1%/*}"
    ;;
remove) # FILE
    rm -f "$1"
    # Without the folder nothing was written, and there is nothing to take back.
    [ ! -d "${1%/*}" ] || sync "${1%/*}"
    ;;
restore) # FILE COPY
    new=$(part "$1")
    cp --preserve=all "$2" "$new"
    sync "$new"
    mv -f "$new" "$1"
    sync "${1%/*}"
    ;;
forget) # FILE COPY: nothing of ours stays
    rm -f "$(part "$1")" "$2" "$2.part"
    rmdir -p "${2%/*}" 2>/dev/null || :
    ;;
esac
