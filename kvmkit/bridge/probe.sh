# Prints what a bridge is planned and verified by, in sections.  Follows framing.sh and check/probe.sh on the standard
# input of the same `sh -s network SSH_CONNECTION [reach]`, and uses their functions.  It only reads; with `reach` it
# pings gateways, DNS servers and the SSH client, once each.

# content FILE: the whole of a file.
content() { [ -r "$1" ] && section "file $1" cat "$1"; }

# contents: those of the files named on standard input, one each line.
contents() { while read -r file; do content "$file"; done; }

kernel_network() {
    have ip || return
    section links ip -json -details address show
    section wireless wireless
    for family in 4 6; do
        section "routes $family" ip -json "-$family" route show table main
        section "rules $family" ip -json "-$family" rule show
    done
}

wireless() {
    for link in /sys/class/net/*; do
        { [ -d "$link/wireless" ] || [ -e "$link/phy80211" ]; } && say "${link##*/}"
    done
}

# asked FILE WORDS: its lines that begin with one of the words.
asked() { grep -E "^($2)[[:space:]]" "$1" 2>/dev/null; }

# Daemons that speak for links, in this network alone: containers have their own.  Only root's: anybody may call a
# process dhclient.  By its status, as /proc gives root the folder of whoever forbids to be traced.
daemons() {
    mine=$(readlink /proc/self/ns/net)
    names='dhclient|dhcpcd|udhcpc|wpa_supplicant|NetworkManager|systemd-network|wickedd|connmand'
    for comm in $(grep -slxE "($names)" /proc/[0-9]*/comm); do
        process=${comm%/comm}
        [ "$(readlink "$process/ns/net")" = "$mine" ] || continue
        grep -qsE '^Name:[[:space:]]systemd-network$|^Uid:[[:space:]]*0[[:space:]]' "$process/status" || continue
        # An argument may have a line end.
        say "$(tr '\n' ' ' <"$comm")$(tr '\0\n' '  ' <"$process/cmdline")"
    done
}

machine() {
    have systemd-detect-virt && say "detected=$(systemd-detect-virt --vm)"
    grep -q '^flags.* hypervisor' /proc/cpuinfo && echo hypervisor=yes
    value vendor /sys/class/dmi/id/sys_vendor
    value product /sys/class/dmi/id/product_name
}

network_manager() {
    have nmcli && [ "$(bounded nmcli -t -f RUNNING general)" = running ] || return
    # Not all of a device: what is called GENERAL.CONNECTION may have line ends.
    section 'nm devices' bounded nmcli -t -e no \
        -f GENERAL.DEVICE,GENERAL.STATE,GENERAL.NM-MANAGED,GENERAL.CON-UUID device show
    section 'nm files' bounded nmcli -t -f UUID,FILENAME connection show
    uuids=$(bounded nmcli -t -f UUID connection show --active)
    [ "$uuids" ] && for uuid in $uuids; do section "nm profile $uuid" profile "$uuid"; done
    section 'nm checkpoints' checkpoints
}

# profile UUID: its properties, NAME:VALUE, one each line; `unreadable` where a value has a line end in it, which
# could pose as a property.  In a table nmcli escapes the colons of values, so that only those of properties count.
profile() {
    said=$(bounded nmcli -t -e no -f profile connection show "$1")
    colons=$(bounded nmcli -t -m tabular -e yes -f profile connection show "$1" | sed 's/\\.//g' | tr -cd : | wc -c)
    if [ "$(say "$said" | wc -l)" -eq "$colons" ]; then say "$said" | grep -v password; else echo unreadable; fi
}

checkpoints() {
    nm=org.freedesktop.NetworkManager
    have busctl && bounded busctl get-property $nm /org/freedesktop/NetworkManager $nm Checkpoints
}

networkd() {
    for state in /run/systemd/netif/links/*; do
        [ -r "$state" ] && section "networkd ${state##*/}" link_state "${state##*/}"
    done
    sed -n -e 's/^NETWORK_FILE="*\([^"]*\).*/\1/p' -e 's/^NETWORK_FILE_DROPINS="*\([^"]*\).*/\1/p' \
        /run/systemd/netif/links/* 2>/dev/null | tr ' ' '\n' | sort -u | contents
}

# link_state INDEX: what networkd says of a link, and of its lease.
link_state() {
    grep '=' "/run/systemd/netif/links/$1"
    sed -n 's/^[A-Z].*=/lease.&/p' "/run/systemd/netif/leases/$1" 2>/dev/null
}

ifupdown() {
    have ifquery || return
    section ifupdown ifupdown_state
    for name in $({ ifquery --state | cut -d= -f2; ifquery --list; ifquery --list --allow=hotplug; } 2>/dev/null | sort -u); do
        section "ifquery $name" ifquery "$name" 2>/dev/null
    done
    sourced /etc/network/interfaces 0 | awk '!seen[$0]++' | contents
}

ifupdown_state() {
    # ifupdown2 and ifupdown-ng have an ifquery, too.
    say "version $(ifquery --version 2>&1 | head -n 1)"
    # By it ifupdown knows bridges.
    [ -e /etc/network/if-pre-up.d/bridge ] && echo "bridges bridge-utils"
    ifquery --state 2>/dev/null | sed 's/^/state /'
    ifquery --list 2>/dev/null | sed 's/^/auto /'
    ifquery --list --allow=hotplug 2>/dev/null | sed 's/^/hotplug /'
}

# sourced FILE DEPTH: its name and those of the files that it includes, as interfaces(5) has it: patterns are the
# shell's, what is relative is so to the file's own folder, and of a directory only plain names count.
sourced() (
    say "$1"
    cd "${1%/*}" 2>/dev/null && [ "$2" -lt 8 ] || return
    sed -n 's/^[[:space:]]*\(source\(-directory\)\{0,1\}\)[[:space:]]/\1 /p' "$1" 2>/dev/null | while read -r keyword patterns; do
        for path in $patterns; do
            if [ "$keyword" = source ]; then
                included "$path" "$2"
            else
                for file in "$path"/*; do
                    case ${file##*/} in *[!a-zA-Z0-9_-]*) ;; *) included "$file" "$2" ;; esac
                done
            fi
        done
    done
)

# included FILE DEPTH: as `sourced`, of a file that is named in one of that depth.
included() {
    [ -f "$1" ] || return
    case $1 in /*) sourced "$1" $(($2 + 1)) ;; *) sourced "$PWD/${1#./}" $(($2 + 1)) ;; esac
}

other_files() {
    for file in /lib/netplan/*.yaml /etc/netplan/*.yaml /run/netplan/*.yaml; do content "$file"; done
    # Read by network-scripts (RHEL) and by wicked (SUSE).
    for file in /etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network/ifcfg-*; do content "$file"; done
    [ -x /etc/init.d/network ] && section network-scripts :
}

# Who is defined on a link or a bridge, running or not; by libvirt's files, as asking it may start it.
users() {
    for file in /etc/libvirt/qemu/*.xml /etc/libvirt/qemu/networks/*.xml; do
        grep -oE "<(source|interface|forward)( [^>]*)? (dev|bridge)='[^'/]+'" "$file" 2>/dev/null |
            while read -r match; do say "$(say "$file" | tr '\n' ' '):$match"; done
    done
}

zones() {
    have firewall-cmd && say "default $(bounded firewall-cmd --get-default-zone)" && bounded firewall-cmd --get-active-zones
}

# One that was killed before it had a watchdog is none.
transactions() { ls /run/kvmkit/trial/armed 2>/dev/null; }

# ways SSH_CONNECTION reach: the way to each gateway, DNS server and the SSH client; with `reach`, whether it answers.
ways() {
    have ip || return
    {
        { ip -4 route show default; ip -6 route show default; } | sed -n 's/.* via \(inet6 \)*\([^ ]*\) dev \([^ ]*\).*/\2 \3/p'
        sed -n 's/^nameserver[[:space:]]*//p' /run/systemd/resolve/resolv.conf /etc/resolv.conf 2>/dev/null
        say "${1%% *}"
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
    say "$1 ${dev:--} $answers"
}

network_probe() {
    kernel_network
    section resolv.conf asked /etc/resolv.conf 'nameserver|search|domain'
    section resolved asked /run/systemd/resolve/resolv.conf 'nameserver|search'
    section daemons daemons
    section machine machine
    network_manager
    networkd
    ifupdown
    other_files
    section users users
    section zones zones
    section transactions transactions
    section ssh say "${2:-}"
    section ways ways "${2:-}" "${3:-}"
}

network_probe "$@" </dev/null
section 'network end' :
