# Looks at labels, and restores them. Run as `sh -c SCRIPT sh VERB ARGUMENTS`.

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

verb=$1
shift
case $verb in
look) # FOLDER...: the mode; of each folder the file system, the policy's label, the labels there; rules of the host's own
    echo "mode $(getenforce)"
    for folder in "$@"; do
        [ -d "$folder" ] || continue
        echo "folder $folder"
        echo "filesystem $(stat -f -c %T "$folder")"
        echo "policy $(matchpathcon -n "$folder")"
        find "$folder" -xdev -printf 'label %Z %p\n'
        by_policy "$folder" -nv | sed -n 's/^Would relabel .*/wrong &/p'
    done
    semanage fcontext -l -C -n 2>/dev/null | sed -n 's/^\(..*[^ ]\)  *all files  *\([^ ]*\) *$/rule \2 \1/p'
    echo end
    ;;
restore) # FOLDER: labels by the policy
    by_policy "$1"
    ;;
esac
