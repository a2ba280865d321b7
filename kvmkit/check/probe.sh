# Prints what check_host judges, in sections of framing.sh, which comes before it.  Sent to `sh -s`; with the
# argument `kvm`, only what decides whether KVM can be used; with `network`, only what a bridge has to do with.
# POSIX sh, as hosts have dash, bash or busybox.  It only reads: no network, and no command that would load a kernel
# module or start libvirt.  What a host does not have is left out.

LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

have() { command -v "$1" >/dev/null 2>&1; }

# A dead NFS server or a hung daemon must cost one section, not the report.
bounded() {
    if have timeout; then timeout 5 "$@" 2>/dev/null; else "$@" 2>/dev/null; fi
}

# value NAME FILE: prints NAME=content.  Not by `read`: dash's asks for single bytes, and /proc/sys gives only one.
value() {
    content=$(cat "$2" 2>/dev/null) && say "$1=$content"
}

# hidden FILE: whether it is there, as far as can be seen, and may not be read.  RHEL hides all of /etc/libvirt.
hidden() {
    folder=${1%/*}
    { [ -e "$1" ] && [ ! -r "$1" ]; } || { [ -d "$folder" ] && [ ! -x "$folder" ]; }
}

# matching FILE PATTERN: its lines that match.
matching() {
    if hidden "$1"; then echo unreadable; else grep -E "$2" "$1" 2>/dev/null; fi
}

user() {
    # A user without a name is known by number.
    say "$(id -un 2>/dev/null || id -u) $(id -Gn 2>/dev/null)"
}

cpu() {
    echo "machine=$(uname -m)"
    echo "processors=$(grep -c '^processor' /proc/cpuinfo)"
    # x86 says flags, s390 and ARM say features.
    sed -n -e 's/^[Ff]lags[[:space:]]*: */flags=/p' -e 's/^[Ff]eatures[[:space:]]*: */flags=/p' /proc/cpuinfo | head -n 1
}

modules() {
    # Built-in modules are there too, as long as they have a parameter: all of KVM's have.
    for module in /sys/module/kvm*; do
        [ -d "$module" ] && say "${module##*/}"
    done
}

kvm_device() {
    [ -c /dev/kvm ] || return
    stat -c 'mode=%a owner=%U group=%G' /dev/kvm
    # A redirection that fails ends a shell: hence one of its own.
    if failed=$( (: <>/dev/kvm) 2>&1); then echo "opens=yes"; else say "opens=${failed##*: }"; fi
    have getfacl && getfacl -cpE /dev/kvm 2>/dev/null | grep -E '^(user|group|mask|other):'
}

qemu_conf() {
    # Only these: the file may hold passwords.
    matching /etc/libvirt/qemu.conf \
        '^[[:space:]]*(vnc_listen|spice_listen|user|group|dynamic_ownership|security_driver)[[:space:]]*='
}

accounts() {
    # Debian's user, everybody else's, and the one that is set.
    configured=$(sed -n 's/^[[:space:]]*user[[:space:]]*=[[:space:]]*["'\'']\([^"'\'']*\).*/\1/p' /etc/libvirt/qemu.conf 2>/dev/null | head -n 1)
    for name in libvirt-qemu qemu "${configured#+}"; do
        groups=$(id -Gn -- "$name" 2>/dev/null) && [ -n "$name" ] && say "$name $groups"
    done | sort -u
}

os() {
    if [ -r /etc/os-release ]; then
        grep -E '^(ID|ID_LIKE|VERSION_ID|PRETTY_NAME)=' /etc/os-release
    else
        # Before 2012 or so there was a file per distribution.
        for file in /etc/redhat-release /etc/SuSE-release /etc/debian_version; do
            [ -r "$file" ] && say "PRETTY_NAME=$(head -n 1 "$file")" && break
        done
    fi
    say "kernel=$(uname -r)"
}

kernel_log() {
    log=$(dmesg 2>/dev/null)
    if printf '%s\n' "$log" | sed 's/^\[[^]]*\] *//' | grep -m 20 -iE '(kvm|svm|vmx).*(bios|no hardware|not supported)'; then
        return
    fi
    # One that is full has lost its beginning, and what was said there.
    case $log in *"Linux version"*) ;; *) echo unreadable ;; esac
}

kernel_values() {
    value nested /sys/module/kvm_intel/parameters/nested
    value nested /sys/module/kvm_amd/parameters/nested
    value call-iptables /proc/sys/net/bridge/bridge-nf-call-iptables
    value call-ip6tables /proc/sys/net/bridge/bridge-nf-call-ip6tables
    value call-arptables /proc/sys/net/bridge/bridge-nf-call-arptables
    value selinux /sys/fs/selinux/enforce || value selinux /selinux/enforce
    value apparmor /sys/module/apparmor/parameters/enabled
    value transparent-hugepages /sys/kernel/mm/transparent_hugepage/enabled
    echo "iommu-groups=$(ls /sys/kernel/iommu_groups 2>/dev/null | wc -l | tr -d ' ')"
}

memory() {
    grep -E '^(MemTotal|MemFree|MemAvailable|Buffers|Cached|HugePages_Total|HugePages_Free|Hugepagesize):' /proc/meminfo
}

apparmor_profiles() {
    # securityfs says a file is readable, and then refuses; a container does not have it.
    if profiles=$(cat /sys/kernel/security/apparmor/profiles 2>/dev/null); then
        printf '%s\n' "$profiles" | grep -E 'libvirtd|virtqemud|virt-aa-helper'
    else
        echo unreadable
    fi
}

commands() {
    for name in apt-get dnf yum zypper qemu-system-x86_64 qemu-system-aarch64 qemu-system-ppc64 qemu-system-s390x \
        qemu-system-riscv64 qemu-kvm qemu-img libvirtd virtqemud virsh virt-install dnsmasq ip systemctl; do
        have "$name" && echo "$name"
    done
    # RHEL keeps it out of everybody's PATH.
    [ -x /usr/libexec/qemu-kvm ] && echo qemu-kvm
}

units() {
    if [ -d /run/systemd/system ]; then
        bounded systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState \
            libvirtd.service libvirtd.socket virtqemud.service virtqemud.socket virtnetworkd.service \
            virtnetworkd.socket virtstoraged.service virtstoraged.socket firewalld.service docker.service \
            NetworkManager.service
    else
        echo no-systemd
    fi
}

clock() {
    # RHEL 7's has no `show`.
    [ -d /run/systemd/system ] && have timedatectl && {
        bounded timedatectl show -p NTPSynchronized || bounded timedatectl status | grep -i 'synchronized:'
    }
}

bridges() {
    for bridge in /sys/class/net/*/bridge; do
        [ -d "$bridge" ] || continue
        device=${bridge%/bridge}
        say "${device##*/} $(ls "$device/brif" 2>/dev/null | tr '\n' ' ')"
    done
}

# Whether netfilter's MODULE is in the kernel: asking nft or iptables would load it.
in_kernel() {
    [ -e /proc/modules ] || return 0
    grep -q "^$1 " /proc/modules || grep -q "/$1\.ko" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null
}

forward_policy() {
    [ "$(id -u)" = 0 ] || { echo unreadable; return; }
    # iptables keeps its rules in nftables or, the old way, in tables of its own; both may be in use.
    if in_kernel nf_tables; then
        if have nft; then rules=$(bounded nft list chains); else rules=$(bounded iptables -S FORWARD); fi ||
            { echo unreadable; return; } # neither is installed, or this is a container, whose root may not
        printf '%s\n' "$rules" | grep -E '^table|hook forward|^-P'
    fi
    if grep -q '^filter$' /proc/net/ip_tables_names 2>/dev/null; then
        for iptables in iptables-legacy iptables; do
            have "$iptables" && bounded "$iptables" -S FORWARD | grep -E '^-P' && break
        done
    fi
}

# pools FOLDER: the folders that the pools described there keep their volumes in.
pools() {
    for pool in "$1"/*.xml; do
        [ -r "$pool" ] || continue
        grep -qE "<pool type='(dir|fs|netfs)'" "$pool" || continue
        printf '%s\n' "$(sed -n -e 's/&amp;/\&/g' -e 's:.*<path>\(.*\)</path>.*:\1:p' "$pool" | head -n 1)"
    done
}

# free_space: size and free space in KiB of the folders on standard input, one each line.
free_space() {
    sort -u | while read -r folder; do
        bounded df -Pk -- "$folder" | while read -r _ size _ free _; do
            case $size in *[!0-9]*) ;; *) say "$size $free $folder" ;; esac
        done
    done
}

# default KIND FOLDER STATE: how libvirt's pool or network of that name stands, by its files.
default() {
    said=$1
    [ -e "$2/default.xml" ] && said="$said defined"
    # libvirt has no second pool for a folder.
    [ "$1" = pool ] && [ ! -e "$2/default.xml" ] && pools "$2" | grep -qxF /var/lib/libvirt/images && said="$said taken"
    [ -e "$3/default.xml" ] && said="$said active"
    [ -e "$2/autostart/default.xml" ] && said="$said autostart"
    say "$said"
}

# By files, as asking libvirt takes a round trip for each thing, and may start it.
defaults() {
    for folder in /etc/libvirt /etc/libvirt/storage /etc/libvirt/qemu /etc/libvirt/qemu/networks \
        /run/libvirt /run/libvirt/storage /run/libvirt/network; do
        [ -d "$folder" ] && [ ! -x "$folder" ] && echo unreadable && return
    done
    default pool /etc/libvirt/storage /run/libvirt/storage
    default network /etc/libvirt/qemu/networks /run/libvirt/network
}

system_pools() {
    for pool in /etc/libvirt/storage /etc/libvirt/storage/*.xml; do
        hidden "$pool" && echo unreadable && break
    done
    # Where the default pool will be, unless it is somewhere else.
    { [ -e /etc/libvirt/storage/default.xml ] || echo /var/lib/libvirt/images; pools /etc/libvirt/storage; } | free_space
}

session_pools() {
    { say "${HOME:-}/.local/share/libvirt/images"; pools "${HOME:-}/.config/libvirt/storage"; } | free_space
}

probe() {
    section user user
    if [ "${1:-}" != network ]; then
        section cpu cpu
        section modules modules
        section 'kvm device' kvm_device
        section qemu.conf qemu_conf
        section accounts accounts
        [ "${1:-}" = kvm ] && return
        section os os
        section 'kernel log' kernel_log
    fi
    section 'kernel values' kernel_values
    if [ "${1:-}" != network ]; then
        section memory memory
        section 'selinux config' matching /etc/selinux/config '^SELINUX='
        section 'apparmor profiles' apparmor_profiles
        section commands commands
    fi
    section units units
    section clock clock
    section bridges bridges
    section ufw matching /etc/ufw/ufw.conf '^ENABLED='
    section forward forward_policy
    [ "${1:-}" = network ] && return
    section 'pools system' system_pools
    section 'pools session' session_pools
    section defaults defaults
}

# The commands must not read the script's own rest, which is on standard input.
probe "$@" </dev/null
section end :
