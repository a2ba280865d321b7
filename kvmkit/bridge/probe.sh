# Prints what a bridge is planned and verified by, in sections.  Follows check/probe.sh on the standard input of
# the same `sh -s network SSH_CONNECTION [reach]`, and uses its functions.  It only reads; with `reach` it
# pings gateways, DNS servers and the SSH client, once each.

# content FILE: the whole of a file, each line behind a bar, so that empty lines and comments are kept.
content() {
    [ -r "$1" ] || return
    echo "### file $1"
    sed 's/^/|/' "$1"
}

kernel_network() {
    have ip || return
    echo "### links"
    ip -json -details address show
    echo "### wireless"
    for link in /sys/class/net/*; do
        { [ -d "$link/wireless" ] || [ -e "$link/phy80211" ]; } && echo "${link##*/}"
    done
    for family in 4 6; do
        echo "### routes $family"
        ip -json "-$family" route show table main
        echo "### rules $family"
        ip -json "-$family" rule show
    done
}

resolver() {
    echo "### resolv.conf"
    grep -E '^(nameserver|search|domain)[[:space:]]' /etc/resolv.conf 2>/dev/null
    echo "### resolved"
    grep -E '^(nameserver|search)[[:space:]]' /run/systemd/resolve/resolv.conf 2>/dev/null
}

# Daemons that speak for links, in this network alone: containers have their own.
daemons() {
    echo "### daemons"
    mine=$(readlink /proc/self/ns/net)
    names='dhclient|dhcpcd|udhcpc|wpa_supplicant|NetworkManager|systemd-network|wickedd|connmand'
    for comm in $(grep -slxE "($names)" /proc/[0-9]*/comm); do
        process=${comm%/comm}
        [ "$(readlink "$process/ns/net")" = "$mine" ] || continue
        echo "$(cat "$comm") $(tr '\0' ' ' <"$process/cmdline")"
    done
}

machine() {
    echo "### machine"
    have systemd-detect-virt && echo "detected=$(systemd-detect-virt --vm)"
    grep -q '^flags.* hypervisor' /proc/cpuinfo && echo hypervisor=yes
    value vendor /sys/class/dmi/id/sys_vendor
    value product /sys/class/dmi/id/product_name
}

network_manager() {
    have nmcli && [ "$(bounded nmcli -t -f RUNNING general)" = running ] || return
    echo "### nm devices"
    bounded nmcli -t -e no -f GENERAL,DHCP4,DHCP6 device show
    echo "### nm files"
    bounded nmcli -t -e no -f UUID,FILENAME connection show
    echo "### nm profiles"
    uuids=$(bounded nmcli -t -f UUID connection show --active)
    [ "$uuids" ] && for uuid in $uuids; do
        bounded nmcli -t -e no -f profile connection show "$uuid" | grep -v password
    done
    echo "### nm checkpoints"
    nm=org.freedesktop.NetworkManager
    have busctl && bounded busctl get-property $nm /org/freedesktop/NetworkManager $nm Checkpoints
}

networkd() {
    for state in /run/systemd/netif/links/*; do
        [ -r "$state" ] || continue
        index=${state##*/}
        echo "### networkd $index"
        grep '=' "$state"
        sed -n 's/^[A-Z].*=/lease.&/p' "/run/systemd/netif/leases/$index" 2>/dev/null
    done
    sed -n -e 's/^NETWORK_FILE="*\([^"]*\).*/\1/p' -e 's/^NETWORK_FILE_DROPINS="*\([^"]*\).*/\1/p' \
        /run/systemd/netif/links/* 2>/dev/null | tr ' ' '\n' | sort -u | while read -r file; do content "$file"; done
}

ifupdown() {
    have ifquery || return
    echo "### ifupdown"
    # By it ifupdown knows bridges.
    [ -e /etc/network/if-pre-up.d/bridge ] && echo "bridges bridge-utils"
    ifquery --state 2>/dev/null | sed 's/^/state /'
    ifquery --list 2>/dev/null | sed 's/^/auto /'
    ifquery --list --allow=hotplug 2>/dev/null | sed 's/^/hotplug /'
    for name in $({ ifquery --state | cut -d= -f2; ifquery --list; ifquery --list --allow=hotplug; } 2>/dev/null | sort -u); do
        echo "### ifquery $name"
        ifquery "$name" 2>/dev/null
    done
    interfaces /etc/network/interfaces
}

# interfaces FILE: it and the files that it sources (interfaces(5); patterns are the shell's).
interfaces() {
    content "$1"
    for pattern in $(sed -n 's/^[[:space:]]*source[[:space:]]//p' "$1" 2>/dev/null); do
        [ -f "$pattern" ] && content "$pattern"
    done
    for folder in $(sed -n 's/^[[:space:]]*source-directory[[:space:]]//p' "$1" 2>/dev/null); do
        for file in "$folder"/*; do [ -f "$file" ] && content "$file"; done
    done
}

other_files() {
    for file in /lib/netplan/*.yaml /etc/netplan/*.yaml /run/netplan/*.yaml; do content "$file"; done
    # Read by network-scripts (RHEL) and by wicked (SUSE).
    for file in /etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network/ifcfg-*; do content "$file"; done
    [ -x /etc/init.d/network ] && echo "### network-scripts"
}

# Who is defined on a link or a bridge, running or not; by libvirt's files, as asking it may start it.
users() {
    echo "### users"
    grep -HoE "<(source|interface|forward)( [^>]*)? (dev|bridge)='[^'/]+'" \
        /etc/libvirt/qemu/*.xml /etc/libvirt/qemu/networks/*.xml 2>/dev/null
}

guards() {
    echo "### zones"
    have firewall-cmd && echo "default $(bounded firewall-cmd --get-default-zone)" && bounded firewall-cmd --get-active-zones
    echo "### transactions"
    # One that was killed before it had a watchdog is none.
    ls /run/kvmkit/trial/armed 2>/dev/null
}

# The way to each gateway, DNS server and the SSH client ($1); with `reach` ($2), whether it answers.
ways() {
    echo "### ssh"
    echo "$1"
    echo "### ways"
    have ip || return
    {
        { ip -4 route show default; ip -6 route show default; } | sed -n 's/.* via \(inet6 \)*\([^ ]*\) dev \([^ ]*\).*/\2 \3/p'
        sed -n 's/^nameserver[[:space:]]*//p' /run/systemd/resolve/resolv.conf /etc/resolv.conf 2>/dev/null
        echo "${1%% *}"
    } | sort -ru | {
        last=
        while read -r address dev; do
            # A gateway that is a DNS server, too, comes first with its link, then without.
            [ "$address" = "$last" ] && continue
            last=$address
            case $address in '' | 127.* | ::1) ;; *) way "${address%\%*}" "$dev" "$2" & ;; esac
        done
        wait
    } | sort
}

# way ADDRESS LINK reach: LINK is that of a gateway, and empty for everybody else.
way() {
    dev=$(ip route get "$1" ${2:+oif "$2"} 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
    answers=-
    if [ "$3" = reach ]; then
        target=$1
        case $1 in fe80:*) target="$1%$2" ;; esac
        answers=no
        # Some gateways drop pings; what they do answer is ARP.
        { ping -n -c 1 -W 1 "$target" >/dev/null 2>&1 || ip neigh show "$1" dev "${2:-lo}" | grep -q REACHABLE; } && answers=yes
    fi
    echo "$1 ${dev:--} $answers"
}

network_probe() {
    kernel_network; resolver; daemons; machine; network_manager; networkd; ifupdown; other_files; users; guards
    ways "${2:-}" "${3:-}"
}

network_probe "$@" </dev/null
echo "### network end"
