#!/bin/sh
# Made by `mqttseg gateway render iptables` from plan e20b8bbd. Change the policy, not this file.
set -eu
for tool in ipset iptables iptables-restore ip6tables ip6tables-restore; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: nothing was changed" >&2; exit 1; }
done
hook() {
  "$1" -w -C "$2" -j "$3" 2>/dev/null || "$1" -w -I "$2" 1 -j "$3"
}
clean() {
  stale=$("$1" -w -S | sed -n 's/^-N \(mqttseg-[0-9a-f]\{8\}-.*\)$/\1/p' | grep -v '^mqttseg-e20b8bbd-' || true)
  for chain in $stale; do "$1" -w -F "$chain"; done
  for chain in $stale; do "$1" -w -X "$chain"; done
}
iptables_rules() { cat <<'END'
*filter
:mqttseg-forward - [0:0]
:mqttseg-input - [0:0]
:mqttseg-output - [0:0]
:mqttseg-e20b8bbd-in - [0:0]
:mqttseg-e20b8bbd-out - [0:0]
:mqttseg-e20b8bbd-from - [0:0]
:mqttseg-e20b8bbd-id0 - [0:0]
:mqttseg-e20b8bbd-unknown - [0:0]
:mqttseg-e20b8bbd-to - [0:0]
:mqttseg-e20b8bbd-peers - [0:0]
:mqttseg-e20b8bbd-answers - [0:0]
:mqttseg-e20b8bbd-s0 - [0:0]
:mqttseg-e20b8bbd-d0 - [0:0]
:mqttseg-e20b8bbd-r0 - [0:0]
:mqttseg-e20b8bbd-s1 - [0:0]
:mqttseg-e20b8bbd-d1 - [0:0]
:mqttseg-e20b8bbd-r1 - [0:0]
-A mqttseg-forward -d 255.255.255.255 -p udp --dport 67 -j RETURN
-A mqttseg-forward -d 255.255.255.255 -p udp --dport 68 -j RETURN
-A mqttseg-forward -i br-iot -g mqttseg-e20b8bbd-from
-A mqttseg-forward -o br-iot -g mqttseg-e20b8bbd-to
-A mqttseg-input -i br-iot -g mqttseg-e20b8bbd-in
-A mqttseg-output -o br-iot -g mqttseg-e20b8bbd-out
-A mqttseg-e20b8bbd-in -p udp --sport 68 --dport 67 -j RETURN
-A mqttseg-e20b8bbd-in -g mqttseg-e20b8bbd-from
-A mqttseg-e20b8bbd-out -p udp --sport 67 --dport 68 -j RETURN
-A mqttseg-e20b8bbd-out -p icmp -j RETURN
-A mqttseg-e20b8bbd-out -p igmp -j RETURN
-A mqttseg-e20b8bbd-out -g mqttseg-e20b8bbd-to
-A mqttseg-e20b8bbd-from -m conntrack --ctstate INVALID -j DROP
-A mqttseg-e20b8bbd-from -g mqttseg-e20b8bbd-id0
-A mqttseg-e20b8bbd-id0 -i br-iot -s 10.9.0.11 -m mac --mac-source 02:aa:00:00:00:01 -g mqttseg-e20b8bbd-s0
-A mqttseg-e20b8bbd-id0 -i br-iot -s 10.9.0.12 -m mac --mac-source 02:aa:00:00:00:02 -g mqttseg-e20b8bbd-s0
-A mqttseg-e20b8bbd-id0 -i br-iot -s 10.9.0.21 -m mac --mac-source 02:bb:00:00:00:01 -g mqttseg-e20b8bbd-s1
-A mqttseg-e20b8bbd-id0 -g mqttseg-e20b8bbd-unknown
-A mqttseg-e20b8bbd-unknown -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg UNKNOWN - "
-A mqttseg-e20b8bbd-unknown -j DROP
-A mqttseg-e20b8bbd-to -p icmp --icmp-type 3 -m conntrack --ctstate RELATED -j RETURN
-A mqttseg-e20b8bbd-to -m set --match-set mqttseg-e20b8bbd-adm-4 src -j RETURN
-A mqttseg-e20b8bbd-to -m set --match-set mqttseg-e20b8bbd-dev-4 dst -g mqttseg-e20b8bbd-peers
-A mqttseg-e20b8bbd-to -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY - to "
-A mqttseg-e20b8bbd-to -j DROP
-A mqttseg-e20b8bbd-peers -m set --match-set mqttseg-e20b8bbd-g0-4 dst -g mqttseg-e20b8bbd-r0
-A mqttseg-e20b8bbd-peers -m set --match-set mqttseg-e20b8bbd-g1-4 dst -g mqttseg-e20b8bbd-r1
-A mqttseg-e20b8bbd-peers -j DROP
-A mqttseg-e20b8bbd-answers -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY - answer "
-A mqttseg-e20b8bbd-answers -j DROP
-A mqttseg-e20b8bbd-s0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-e20b8bbd-adm-4 dst -j RETURN
-A mqttseg-e20b8bbd-s0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-e20b8bbd-dev-4 dst -g mqttseg-e20b8bbd-answers
-A mqttseg-e20b8bbd-s0 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip --hashlimit-name mqttseg4 -j DROP
-A mqttseg-e20b8bbd-s0 -m set --match-set mqttseg-e20b8bbd-dev-4 dst -g mqttseg-e20b8bbd-d0
-A mqttseg-e20b8bbd-s0 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-e20b8bbd-dst0-4 dst,dst -j RETURN
-A mqttseg-e20b8bbd-s0 -p icmp -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN
-A mqttseg-e20b8bbd-s0 -g mqttseg-e20b8bbd-d0
-A mqttseg-e20b8bbd-d0 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY hvac "
-A mqttseg-e20b8bbd-d0 -j DROP
-A mqttseg-e20b8bbd-r0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set ! --match-set mqttseg-e20b8bbd-dev-4 src -m set --match-set mqttseg-e20b8bbd-dst0-4 src,src -j RETURN
-A mqttseg-e20b8bbd-r0 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY hvac to "
-A mqttseg-e20b8bbd-r0 -j DROP
-A mqttseg-e20b8bbd-s1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-e20b8bbd-adm-4 dst -j RETURN
-A mqttseg-e20b8bbd-s1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-e20b8bbd-dev-4 dst -g mqttseg-e20b8bbd-answers
-A mqttseg-e20b8bbd-s1 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip --hashlimit-name mqttseg4 -j DROP
-A mqttseg-e20b8bbd-s1 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-e20b8bbd-dst1-4 dst,dst -j RETURN
-A mqttseg-e20b8bbd-s1 -p icmp -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN
-A mqttseg-e20b8bbd-s1 -g mqttseg-e20b8bbd-d1
-A mqttseg-e20b8bbd-d1 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY cameras "
-A mqttseg-e20b8bbd-d1 -j DROP
-A mqttseg-e20b8bbd-r1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set ! --match-set mqttseg-e20b8bbd-dev-4 src -m set --match-set mqttseg-e20b8bbd-dst1-4 src,src -j RETURN
-A mqttseg-e20b8bbd-r1 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY cameras to "
-A mqttseg-e20b8bbd-r1 -j DROP
COMMIT
END
}
ip6tables_rules() { cat <<'END'
*filter
:mqttseg-forward - [0:0]
:mqttseg-input - [0:0]
:mqttseg-output - [0:0]
:mqttseg-e20b8bbd-in - [0:0]
:mqttseg-e20b8bbd-out - [0:0]
:mqttseg-e20b8bbd-from - [0:0]
:mqttseg-e20b8bbd-id0 - [0:0]
:mqttseg-e20b8bbd-unknown - [0:0]
:mqttseg-e20b8bbd-to - [0:0]
:mqttseg-e20b8bbd-peers - [0:0]
:mqttseg-e20b8bbd-answers - [0:0]
:mqttseg-e20b8bbd-s0 - [0:0]
:mqttseg-e20b8bbd-d0 - [0:0]
:mqttseg-e20b8bbd-r0 - [0:0]
:mqttseg-e20b8bbd-s1 - [0:0]
:mqttseg-e20b8bbd-d1 - [0:0]
:mqttseg-e20b8bbd-r1 - [0:0]
-A mqttseg-forward -p ipv6-icmp --icmpv6-type 133 -m hl --hl-eq 255 -j RETURN
-A mqttseg-forward -p ipv6-icmp --icmpv6-type 134 -m hl --hl-eq 255 -j RETURN
-A mqttseg-forward -p ipv6-icmp --icmpv6-type 135 -m hl --hl-eq 255 -j RETURN
-A mqttseg-forward -p ipv6-icmp --icmpv6-type 136 -m hl --hl-eq 255 -j RETURN
-A mqttseg-forward -i br-iot -g mqttseg-e20b8bbd-from
-A mqttseg-forward -o br-iot -g mqttseg-e20b8bbd-to
-A mqttseg-input -i br-iot -g mqttseg-e20b8bbd-in
-A mqttseg-output -o br-iot -g mqttseg-e20b8bbd-out
-A mqttseg-e20b8bbd-in -p udp --sport 546 --dport 547 -j RETURN
-A mqttseg-e20b8bbd-in -p ipv6-icmp --icmpv6-type 133 -m hl --hl-eq 255 -j RETURN
-A mqttseg-e20b8bbd-in -p ipv6-icmp --icmpv6-type 135 -m hl --hl-eq 255 -j RETURN
-A mqttseg-e20b8bbd-in -p ipv6-icmp --icmpv6-type 136 -m hl --hl-eq 255 -j RETURN
-A mqttseg-e20b8bbd-in -p ipv6-icmp --icmpv6-type 131 -j RETURN
-A mqttseg-e20b8bbd-in -p ipv6-icmp --icmpv6-type 132 -j RETURN
-A mqttseg-e20b8bbd-in -p ipv6-icmp --icmpv6-type 143 -j RETURN
-A mqttseg-e20b8bbd-in -g mqttseg-e20b8bbd-from
-A mqttseg-e20b8bbd-out -p udp --sport 547 --dport 546 -j RETURN
-A mqttseg-e20b8bbd-out -p ipv6-icmp -j RETURN
-A mqttseg-e20b8bbd-out -g mqttseg-e20b8bbd-to
-A mqttseg-e20b8bbd-from -m conntrack --ctstate INVALID -j DROP
-A mqttseg-e20b8bbd-from -g mqttseg-e20b8bbd-id0
-A mqttseg-e20b8bbd-id0 -i br-iot -s fd00:9::11 -m mac --mac-source 02:aa:00:00:00:01 -g mqttseg-e20b8bbd-s0
-A mqttseg-e20b8bbd-id0 -i br-iot -s fd00:9::12 -m mac --mac-source 02:aa:00:00:00:02 -g mqttseg-e20b8bbd-s0
-A mqttseg-e20b8bbd-id0 -i br-iot -s fd00:9::21 -m mac --mac-source 02:bb:00:00:00:01 -g mqttseg-e20b8bbd-s1
-A mqttseg-e20b8bbd-id0 -g mqttseg-e20b8bbd-unknown
-A mqttseg-e20b8bbd-unknown -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg UNKNOWN - "
-A mqttseg-e20b8bbd-unknown -j DROP
-A mqttseg-e20b8bbd-to -p ipv6-icmp --icmpv6-type 1 -m conntrack --ctstate RELATED -j RETURN
-A mqttseg-e20b8bbd-to -p ipv6-icmp --icmpv6-type 2 -m conntrack --ctstate RELATED -j RETURN
-A mqttseg-e20b8bbd-to -m set --match-set mqttseg-e20b8bbd-adm-6 src -j RETURN
-A mqttseg-e20b8bbd-to -m set --match-set mqttseg-e20b8bbd-dev-6 dst -g mqttseg-e20b8bbd-peers
-A mqttseg-e20b8bbd-to -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY - to "
-A mqttseg-e20b8bbd-to -j DROP
-A mqttseg-e20b8bbd-peers -m set --match-set mqttseg-e20b8bbd-g0-6 dst -g mqttseg-e20b8bbd-r0
-A mqttseg-e20b8bbd-peers -m set --match-set mqttseg-e20b8bbd-g1-6 dst -g mqttseg-e20b8bbd-r1
-A mqttseg-e20b8bbd-peers -j DROP
-A mqttseg-e20b8bbd-answers -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY - answer "
-A mqttseg-e20b8bbd-answers -j DROP
-A mqttseg-e20b8bbd-s0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-e20b8bbd-adm-6 dst -j RETURN
-A mqttseg-e20b8bbd-s0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-e20b8bbd-dev-6 dst -g mqttseg-e20b8bbd-answers
-A mqttseg-e20b8bbd-s0 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip --hashlimit-name mqttseg6 -j DROP
-A mqttseg-e20b8bbd-s0 -m set --match-set mqttseg-e20b8bbd-dev-6 dst -g mqttseg-e20b8bbd-d0
-A mqttseg-e20b8bbd-s0 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-e20b8bbd-dst0-6 dst,dst -j RETURN
-A mqttseg-e20b8bbd-s0 -p ipv6-icmp -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN
-A mqttseg-e20b8bbd-s0 -g mqttseg-e20b8bbd-d0
-A mqttseg-e20b8bbd-d0 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY hvac "
-A mqttseg-e20b8bbd-d0 -j DROP
-A mqttseg-e20b8bbd-r0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set ! --match-set mqttseg-e20b8bbd-dev-6 src -m set --match-set mqttseg-e20b8bbd-dst0-6 src,src -j RETURN
-A mqttseg-e20b8bbd-r0 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY hvac to "
-A mqttseg-e20b8bbd-r0 -j DROP
-A mqttseg-e20b8bbd-s1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-e20b8bbd-adm-6 dst -j RETURN
-A mqttseg-e20b8bbd-s1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-e20b8bbd-dev-6 dst -g mqttseg-e20b8bbd-answers
-A mqttseg-e20b8bbd-s1 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip --hashlimit-name mqttseg6 -j DROP
-A mqttseg-e20b8bbd-s1 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-e20b8bbd-dst1-6 dst,dst -j RETURN
-A mqttseg-e20b8bbd-s1 -p ipv6-icmp -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN
-A mqttseg-e20b8bbd-s1 -g mqttseg-e20b8bbd-d1
-A mqttseg-e20b8bbd-d1 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY cameras "
-A mqttseg-e20b8bbd-d1 -j DROP
-A mqttseg-e20b8bbd-r1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set ! --match-set mqttseg-e20b8bbd-dev-6 src -m set --match-set mqttseg-e20b8bbd-dst1-6 src,src -j RETURN
-A mqttseg-e20b8bbd-r1 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY cameras to "
-A mqttseg-e20b8bbd-r1 -j DROP
COMMIT
END
}
ipset -exist restore <<'END'
create mqttseg-e20b8bbd-dev-4 hash:ip family inet hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-dev-4 10.9.0.11
add mqttseg-e20b8bbd-dev-4 10.9.0.12
add mqttseg-e20b8bbd-dev-4 10.9.0.21
create mqttseg-e20b8bbd-adm-4 hash:net family inet hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-adm-4 198.51.100.40
create mqttseg-e20b8bbd-g0-4 hash:ip family inet hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-g0-4 10.9.0.11
add mqttseg-e20b8bbd-g0-4 10.9.0.12
create mqttseg-e20b8bbd-dst0-4 hash:net,port family inet hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-dst0-4 192.0.2.10,tcp:8883
add mqttseg-e20b8bbd-dst0-4 192.0.2.53,tcp:53
add mqttseg-e20b8bbd-dst0-4 192.0.2.53,udp:53
add mqttseg-e20b8bbd-dst0-4 10.0.0.0/8,tcp:443
add mqttseg-e20b8bbd-dst0-4 10.0.0.0/8,tcp:7000
add mqttseg-e20b8bbd-dst0-4 0.0.0.0/1,udp:5000
add mqttseg-e20b8bbd-dst0-4 128.0.0.0/1,udp:5000
create mqttseg-e20b8bbd-g1-4 hash:ip family inet hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-g1-4 10.9.0.21
create mqttseg-e20b8bbd-dst1-4 hash:net,port family inet hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-dst1-4 192.0.2.10,tcp:8883
create mqttseg-e20b8bbd-dev-6 hash:ip family inet6 hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-dev-6 fd00:9::11
add mqttseg-e20b8bbd-dev-6 fd00:9::12
add mqttseg-e20b8bbd-dev-6 fd00:9::21
create mqttseg-e20b8bbd-adm-6 hash:net family inet6 hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-adm-6 2001:db8:1::40
create mqttseg-e20b8bbd-g0-6 hash:ip family inet6 hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-g0-6 fd00:9::11
add mqttseg-e20b8bbd-g0-6 fd00:9::12
create mqttseg-e20b8bbd-dst0-6 hash:net,port family inet6 hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-dst0-6 2001:db8::10,tcp:8883
add mqttseg-e20b8bbd-dst0-6 ::/1,udp:5000
add mqttseg-e20b8bbd-dst0-6 8000::/1,udp:5000
create mqttseg-e20b8bbd-g1-6 hash:ip family inet6 hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-g1-6 fd00:9::21
create mqttseg-e20b8bbd-dst1-6 hash:net,port family inet6 hashsize 64 maxelem 65536
add mqttseg-e20b8bbd-dst1-6 2001:db8::10,tcp:8883
END
iptables_rules | iptables-restore --test --noflush --wait
ip6tables_rules | ip6tables-restore --test --noflush --wait
iptables_rules | iptables-restore --noflush --wait
ip6tables_rules | ip6tables-restore --noflush --wait
hook iptables FORWARD mqttseg-forward
hook iptables INPUT mqttseg-input
hook iptables OUTPUT mqttseg-output
hook ip6tables FORWARD mqttseg-forward
hook ip6tables INPUT mqttseg-input
hook ip6tables OUTPUT mqttseg-output
clean iptables
clean ip6tables
for name in $(ipset list -n | grep '^mqttseg-' | grep -v '^mqttseg-e20b8bbd-' || true); do
  ipset destroy "$name"
done
