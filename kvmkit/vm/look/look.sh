# look AWK PATH...: prints a line for each path, in order; or, if one of them changed meanwhile, none, and fails.
# Few processes for all of them: to start one takes longer than to look at a file.
LC_ALL=C
export LC_ALL
head_bytes=1024
program=$1
shift
newline='
'

# why PATH: what stands in the way of one that is not seen, in one word.
why() {
    said=$(stat -L -- "$1" 2>&1 >/dev/null) && return
    case ${said##*: } in
        "No such file or directory" | "Not a directory" | "Too many levels of symbolic links" | "File name too long")
            echo gone ;;
        "Permission denied") echo denied ;;
        *) echo error ;;
    esac
}

# heads: of files that are long enough all at once: each gives as many bytes, which the reader counts.
heads() {
    if [ "$reads" != all ]; then
        left=$reads
        for path do
            shift
            [ "${left%%" "*}" != batch ] || set -- "$@" "$path"
            left=${left#* }
        done
    fi
    [ $# = 0 ] || head -q -c $head_bytes -- "$@" | od -An -v -tx1
}

alone() {
    [ "$reads" != all ] || return
    left=$reads
    for path do
        if [ "${left%%" "*}" = alone ]; then
            echo bytes
            od -An -v -tx1 -N$head_bytes -- "$path" || echo failed
        fi
        left=${left#* }
    done
}

# below MAJOR:MINOR: the devices that a block device is made of, and the file behind a loop device.
below() {
    device=/sys/dev/block/$1
    for told in "$device"/slaves/*/dev; do
        [ -r "$told" ] && read -r number <"$told" && echo "device $number" && below "$number"
        device=/sys/dev/block/$1
    done
    if [ -e "$device/partition" ] && read -r number <"$device/../dev"; then
        echo "device $number"
        below "$number"
        device=/sys/dev/block/$1
    fi
    if [ -r "$device/loop/backing_file" ]; then
        echo "backing $(tr -d '\n' <"$device/loop/backing_file" | od -An -v -tx1 | tr -d ' \n')"
    fi
}

# plain PATH...: whether all are files that may be read, and long enough: most are, and that needs no list.
plain() {
    for path do
        [ -f "$path" ] && [ -r "$path" ] || return 1
    done
    facts=$(stat -L -c '%d:%i %t:%T %s %f' -- "$@") || return 1
    printf '%s\n' "$facts" | awk -v least=$head_bytes '$3 < least || $4 !~ /^8/ { exit 1 }'
}

total=$#
names=$(printf '%s\0' "$@" | od -An -v -tx1)
facts=
words=all
reads=all
blocks=
if ! plain "$@"; then
    words=
    reads=
    for path do
        shift
        if [ -e "$path" ]; then
            words="$words there"
            set -- "$@" "$path"
        else
            word=$(why "$path")
            words="$words ${word:-changed}"
        fi
    done
    [ $# = 0 ] || facts=$(stat -L -c '%d:%i %t:%T %s %f' -- "$@") || exit 1
    rest=$facts
    for path do
        line=${rest%%"$newline"*}
        rest=${rest#*"$newline"}
        size=${line% *}
        size=${size##* }
        if [ -b "$path" ]; then
            reads="${reads}alone "
            number=${line#* }
            number=${number%% *}
            number=$((0x${number%:*})):$((0x${number#*:}))
            blocks="$blocks${newline}block $number$newline$(below "$number")"
        elif [ ! -f "$path" ] || [ "$size" -lt 48 ]; then  # less is no header
            reads="${reads}none "
        elif [ ! -r "$path" ]; then
            reads="${reads}denied "
        elif [ "$size" -ge $head_bytes ]; then
            reads="${reads}batch "
        else
            reads="${reads}alone "
        fi
    done
fi
{
    echo names
    printf '%s\n' "$names"
    echo words
    echo "$words"
    echo facts
    printf '%s\n' "$facts"
    echo reads
    echo "$reads"
    echo blocks
    printf '%s\n' "$blocks"
    echo heads
    heads "$@"
    alone "$@"
    echo end
} | awk -v total="$total" -v head_bytes="$head_bytes" "$program"
