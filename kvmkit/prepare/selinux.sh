# Prints what plan_selinux decides on: the mode, then for each folder in $@ its file system, the label that the
# policy has for it, its own rules, and the labels that are there. It only reads.

LC_ALL=C
export LC_ALL
echo "mode $(getenforce)"
for folder in "$@"; do
    [ -d "$folder" ] || continue
    echo "folder $folder"
    echo "filesystem $(stat -f -c %T "$folder")"
    echo "policy $(matchpathcon -n "$folder")"
    find "$folder" -xdev -printf 'label %Z %p\n'
    restorecon -Rnv "$folder" | sed -n 's/^Would relabel .*/wrong &/p'
done
semanage fcontext -l -C -n 2>/dev/null | sed -n 's/^\(..*[^ ]\)  *all files  *\([^ ]*\) *$/rule \2 \1/p'
echo end
