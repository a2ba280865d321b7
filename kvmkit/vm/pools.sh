# Prints what libvirt keeps of its storage pools in files, for when it waits for one of them and lists none.
# Comes behind framing.sh. A section for each file: "defined N", with " autostart" if it starts with the host, "active N".

number=0
for file in /etc/libvirt/storage/*.xml; do
    [ -r "$file" ] || continue
    number=$((number + 1))
    started=
    [ -e "/etc/libvirt/storage/autostart/${file##*/}" ] && started=' autostart'
    section "defined $number$started" cat -- "$file"
done
for file in /run/libvirt/storage/*.xml; do
    [ -r "$file" ] || continue
    number=$((number + 1))
    section "active $number" cat -- "$file"
done
