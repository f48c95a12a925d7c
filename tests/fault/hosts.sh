#!/bin/bash
# Several hosts on one machine: each has its own network, host name, processes and /dev/shm; a bridge joins them, and
# nothing leads out.  hosts.py starts it, in namespaces of its own, which are host h0 and go with their first process:
#
#   hosts.sh lab FOLDER N          h0 and h1 ... hN; FOLDER/hI.pid is the first process of a host as h0 sees it
#   hosts.sh agent FOLDER HOST COMMAND...    from h0: what ssh would do, for Open MPI's plm_rsh_agent
#
# From h0, "ip link set vI down" pulls the cable of host I, and SIGKILL of its first process takes its power away.
set -euo pipefail

network=10.77.0
first_process() { while :; do sleep 3600 & wait $!; done; } # reaps what is left to it

lab() {
    local folder=$1 n=$2 i pid
    mount -t proc proc /proc
    hostname h0
    ip link set lo up
    ip link add br0 type bridge
    ip addr add "$network.1/24" dev br0
    ip link set br0 up
    for ((i = 0; i <= n; i++)); do echo "$network.$((i + 1)) h$i"; done >"$folder/hosts"
    echo "127.0.0.1 localhost" >>"$folder/hosts"
    mount --bind "$folder/hosts" /etc/hosts
    mount -t tmpfs tmpfs /dev/shm
    for ((i = 1; i <= n; i++)); do
        unshare --net --uts --mount --pid --fork --kill-child bash "$0" host "$folder" "$i" </dev/null &
        until pid=$(cat "/proc/$!/task/$!/children") && [ -n "$pid" ]; do sleep 0.02; done
        pid=${pid// /}
        until [ -e "$folder/h$i.here" ]; do sleep 0.02; done # its network is no longer ours
        ip link add "v$i" type veth peer name eth0 netns "$pid"
        ip link set "v$i" master br0 up
        echo "$pid" >"$folder/h$i.pid"
    done
    for ((i = 1; i <= n; i++)); do until [ -e "$folder/h$i.up" ]; do sleep 0.02; done; done
    echo up
    first_process
}

host() {
    local folder=$1 i=$2
    hostname "h$i"
    mount -t proc proc /proc
    mount -t tmpfs tmpfs /dev/shm
    ip link set lo up
    touch "$folder/h$i.here"
    until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
    ip addr add "$network.$((i + 1))/24" dev eth0
    ip link set eth0 up
    touch "$folder/h$i.up"
    first_process
}

agent() {
    local folder=$1 host=$2
    shift 2
    exec nsenter -t "$(cat "$folder/$host.pid")" --net --uts --mount --pid --wd="$PWD" bash -c "$*"
}

"$@"
