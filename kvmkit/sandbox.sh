# Makes the practice host's network, prints by which number its first process is known outside, and waits for the
# end of its standard input.  POSIX sh, as root of a user namespace, in namespaces of its own.
set -eu
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

# /proc is still that of the outside.
read -r number _ </proc/self/stat

mount -t proc proc /proc
for folder in /etc /run /var; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
hostname practice
for command in ip ping nsenter; do command -v "$command" >/dev/null || { echo "it has no $command" >&2; exit 1; }; done
echo 'root:x:0:0:root:/root:/bin/sh' >/etc/passwd
echo 'root:x:0:' >/etc/group
echo '127.0.0.1 localhost' >/etc/hosts
echo 'nameserver 192.168.0.1' >/etc/resolv.conf
mkdir -p /var/lib /var/tmp

# The router is a network that nobody is in but one process, which ends with the first one.
unshare --net sleep infinity &
router=$!
tries=0
until [ "$(readlink "/proc/$router/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ]
    sleep 0.05
done
in_router() { nsenter --target="$router" --net "$@"; }

ip link set lo up
ip link add eth0 address 52:54:00:a8:00:64 type veth peer name lan0 address 52:54:00:a8:00:01 netns "$router"
in_router ip link set lo up
in_router ip address add 192.168.0.1/24 dev lan0
in_router ip link set lan0 up
# No addresses that come by themselves, after a while.
for link in eth0 default; do echo 1 >"/proc/sys/net/ipv6/conf/$link/disable_ipv6"; done
ip address add 192.168.0.100/24 broadcast 192.168.0.255 dev eth0
ip link set eth0 up
ip route add default via 192.168.0.1
ping -n -c 1 -W 5 192.168.0.1 >/dev/null

echo "$number"
# A shell stays process 1, and not cat, as process 1 inherits the dead of others.
cat >/dev/null
