# Waits until the kernel lets packets out by bridge $1, which has just got its port: for a second at most.
# Until then it throws them away.

tries=0
until read -r state <"/sys/class/net/$1/operstate" && [ "$state" = up ] || [ "$tries" -ge 300 ]; do
    tries=$((tries + 1))
    sleep 0.001
done
# If the question where the gateway is was among them, it is asked again only a second later, unless the
# kernel forgets that it has asked.
ip neigh flush dev "$1" nud incomplete
