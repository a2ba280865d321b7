# Looks at labels, and restores them. Run as `sh -c SCRIPT sh VERB ARGUMENTS`, behind framing.sh.

LC_ALL=C
export LC_ALL

# by_policy FOLDER [OPTION...]: restorecon, but not for the disks of running VMs, whose labels have categories: libvirt
# gives and takes those. Where the policy does not list such labels (customizable_types), as Debian's does not,
# restorecon would take the disk away from its VM.
by_policy() {
    folder=$1
    shift
    find "$folder" -xdev -printf '%Z %p\0' | grep -zv '^[^ ]*:svirt[a-z_]*_t:[^ ]*:c' | sed -z 's/^[^ ]* //' |
        restorecon -0 -f - "$@"
}

# state FOLDER: its file system, the policy's label for it and for all that is in it, the labels that files there
# have, and how many of them the policy would change.
state() {
    say "filesystem $(stat -f -c %T "$1")"
    say "policy $(matchpathcon -n "$1")"
    find "$1" -xdev -print0 | xargs -0 -r matchpathcon -n -- | sort -u | sed 's/^/purpose /'
    find "$1" -xdev -printf '%Z %p\0' | escaped | sed 's/^/label /'
    say "wrong $(by_policy "$1" -nv | grep -c '^Would relabel ')"
}

# rules: those of the host's own, each a label and an expression.
rules() { semanage fcontext -l -C -n 2>/dev/null | sed -n 's/^\(..*[^ ]\)  *all files  *\([^ ]*\) *$/\2 \1/p'; }

# relabel LABEL FILE: in the very folder that its name says, though whoever may write there puts a link in its place.
relabel() (
    folder=${2%/*}
    cd -P -- "$folder/" || exit
    here=$(pwd -P && echo .)
    [ "${here%??}" = "${folder:-/}" ] || { say "$folder leads elsewhere: nothing was labelled there" >&2; exit 1; }
    chcon -h -- "$1" "./${2##*/}"
)

verb=$1
shift
case $verb in
look) # FOLDER...: the mode; how each folder stands; rules
    section mode getenforce
    for folder in "$@"; do
        [ -d "$folder" ] && section "folder $folder" state "$folder"
    done
    section rules rules
    section end :
    ;;
restore) # FOLDER: labels by the policy
    by_policy "$1"
    ;;
relabel) # standard input: a line for each file, its label and its escaped name
    failed=
    while IFS= read -r line; do
        file=$(printf '%b.' "${line#* }")
        relabel "${line%% *}" "${file%.}" || failed=yes
    done
    [ -z "$failed" ]
    ;;
esac
