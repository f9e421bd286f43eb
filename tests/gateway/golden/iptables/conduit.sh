#!/bin/sh
# Made by `mqttseg gateway render iptables` from plan 33aa461a. Change the policy, not this file.
set -eu
for tool in ipset iptables iptables-restore ip6tables ip6tables-restore; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: nothing was changed" >&2; exit 1; }
done
hook() {
  "$1" -w -C "$2" -j "$3" 2>/dev/null || "$1" -w -I "$2" 1 -j "$3"
}
clean() {
  stale=$("$1" -w -S | sed -n 's/^-N \(mqttseg-[0-9a-f]\{8\}-.*\)$/\1/p' | grep -v '^mqttseg-33aa461a-' || true)
  for chain in $stale; do "$1" -w -F "$chain"; done
  for chain in $stale; do "$1" -w -X "$chain"; done
}
iptables_rules() { cat <<'END'
*filter
:mqttseg-forward - [0:0]
:mqttseg-input - [0:0]
:mqttseg-output - [0:0]
:mqttseg-33aa461a-in - [0:0]
:mqttseg-33aa461a-out - [0:0]
:mqttseg-33aa461a-from - [0:0]
:mqttseg-33aa461a-id0 - [0:0]
:mqttseg-33aa461a-unknown - [0:0]
:mqttseg-33aa461a-to - [0:0]
:mqttseg-33aa461a-peers - [0:0]
:mqttseg-33aa461a-answers - [0:0]
:mqttseg-33aa461a-s0 - [0:0]
:mqttseg-33aa461a-d0 - [0:0]
:mqttseg-33aa461a-r0 - [0:0]
:mqttseg-33aa461a-s1 - [0:0]
:mqttseg-33aa461a-d1 - [0:0]
:mqttseg-33aa461a-r1 - [0:0]
-A mqttseg-forward -d 255.255.255.255 -p udp --dport 67 -j RETURN
-A mqttseg-forward -d 255.255.255.255 -p udp --dport 68 -j RETURN
-A mqttseg-forward -i br-iot -g mqttseg-33aa461a-from
-A mqttseg-forward -o br-iot -g mqttseg-33aa461a-to
-A mqttseg-input -i br-iot -g mqttseg-33aa461a-in
-A mqttseg-output -o br-iot -g mqttseg-33aa461a-out
-A mqttseg-33aa461a-in -p udp --sport 68 --dport 67 -j RETURN
-A mqttseg-33aa461a-in -g mqttseg-33aa461a-from
-A mqttseg-33aa461a-out -p udp --sport 67 --dport 68 -j RETURN
-A mqttseg-33aa461a-out -p icmp -j RETURN
-A mqttseg-33aa461a-out -p igmp -j RETURN
-A mqttseg-33aa461a-out -g mqttseg-33aa461a-to
-A mqttseg-33aa461a-from -m conntrack --ctstate INVALID -j DROP
-A mqttseg-33aa461a-from -g mqttseg-33aa461a-id0
-A mqttseg-33aa461a-id0 -i br-iot -s 10.9.0.11 -m mac --mac-source 02:aa:00:00:00:01 -g mqttseg-33aa461a-s0
-A mqttseg-33aa461a-id0 -i br-iot -s 10.9.0.12 -m mac --mac-source 02:aa:00:00:00:02 -g mqttseg-33aa461a-s0
-A mqttseg-33aa461a-id0 -i br-iot -s 10.9.0.21 -m mac --mac-source 02:bb:00:00:00:01 -g mqttseg-33aa461a-s1
-A mqttseg-33aa461a-id0 -g mqttseg-33aa461a-unknown
-A mqttseg-33aa461a-unknown -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg UNKNOWN - "
-A mqttseg-33aa461a-unknown -j DROP
-A mqttseg-33aa461a-to -p icmp --icmp-type 3 -m conntrack --ctstate RELATED -j RETURN
-A mqttseg-33aa461a-to -m set --match-set mqttseg-33aa461a-adm-4 src -j RETURN
-A mqttseg-33aa461a-to -m set --match-set mqttseg-33aa461a-dev-4 dst -g mqttseg-33aa461a-peers
-A mqttseg-33aa461a-to -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY - to "
-A mqttseg-33aa461a-to -j DROP
-A mqttseg-33aa461a-peers -m set --match-set mqttseg-33aa461a-g0-4 dst -g mqttseg-33aa461a-r0
-A mqttseg-33aa461a-peers -m set --match-set mqttseg-33aa461a-g1-4 dst -g mqttseg-33aa461a-r1
-A mqttseg-33aa461a-peers -j DROP
-A mqttseg-33aa461a-answers -m set --match-set mqttseg-33aa461a-g0-4 dst -m set --match-set mqttseg-33aa461a-con0-4 src,src -j RETURN
-A mqttseg-33aa461a-answers -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY - answer "
-A mqttseg-33aa461a-answers -j DROP
-A mqttseg-33aa461a-s0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-adm-4 dst -j RETURN
-A mqttseg-33aa461a-s0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-dev-4 dst -g mqttseg-33aa461a-answers
-A mqttseg-33aa461a-s0 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip --hashlimit-name mqttseg4 -j DROP
-A mqttseg-33aa461a-s0 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-33aa461a-con0-4 dst,dst -j RETURN
-A mqttseg-33aa461a-s0 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-33aa461a-dst0-4 dst,dst -j RETURN
-A mqttseg-33aa461a-s0 -m conntrack --ctdir ORIGINAL -p udp --dport 123 -m addrtype --dst-type LOCAL -j RETURN
-A mqttseg-33aa461a-s0 -p icmp -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN
-A mqttseg-33aa461a-s0 -g mqttseg-33aa461a-d0
-A mqttseg-33aa461a-d0 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY hvac "
-A mqttseg-33aa461a-d0 -j DROP
-A mqttseg-33aa461a-r0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-con0-4 src,src -j RETURN
-A mqttseg-33aa461a-r0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set ! --match-set mqttseg-33aa461a-dev-4 src -m set --match-set mqttseg-33aa461a-dst0-4 src,src -j RETURN
-A mqttseg-33aa461a-r0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -p udp --sport 123 -m addrtype --src-type LOCAL -j RETURN
-A mqttseg-33aa461a-r0 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY hvac to "
-A mqttseg-33aa461a-r0 -j DROP
-A mqttseg-33aa461a-s1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-adm-4 dst -j RETURN
-A mqttseg-33aa461a-s1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-dev-4 dst -g mqttseg-33aa461a-answers
-A mqttseg-33aa461a-s1 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip --hashlimit-name mqttseg4 -j DROP
-A mqttseg-33aa461a-s1 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-33aa461a-dst1-4 dst,dst -j RETURN
-A mqttseg-33aa461a-s1 -p icmp -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN
-A mqttseg-33aa461a-s1 -g mqttseg-33aa461a-d1
-A mqttseg-33aa461a-d1 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY cameras "
-A mqttseg-33aa461a-d1 -j DROP
-A mqttseg-33aa461a-r1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set ! --match-set mqttseg-33aa461a-dev-4 src -m set --match-set mqttseg-33aa461a-dst1-4 src,src -j RETURN
-A mqttseg-33aa461a-r1 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY cameras to "
-A mqttseg-33aa461a-r1 -j DROP
COMMIT
END
}
ip6tables_rules() { cat <<'END'
*filter
:mqttseg-forward - [0:0]
:mqttseg-input - [0:0]
:mqttseg-output - [0:0]
:mqttseg-33aa461a-in - [0:0]
:mqttseg-33aa461a-out - [0:0]
:mqttseg-33aa461a-from - [0:0]
:mqttseg-33aa461a-id0 - [0:0]
:mqttseg-33aa461a-unknown - [0:0]
:mqttseg-33aa461a-to - [0:0]
:mqttseg-33aa461a-peers - [0:0]
:mqttseg-33aa461a-answers - [0:0]
:mqttseg-33aa461a-s0 - [0:0]
:mqttseg-33aa461a-d0 - [0:0]
:mqttseg-33aa461a-r0 - [0:0]
:mqttseg-33aa461a-s1 - [0:0]
:mqttseg-33aa461a-d1 - [0:0]
:mqttseg-33aa461a-r1 - [0:0]
-A mqttseg-forward -p ipv6-icmp --icmpv6-type 133 -m hl --hl-eq 255 -j RETURN
-A mqttseg-forward -p ipv6-icmp --icmpv6-type 134 -m hl --hl-eq 255 -j RETURN
-A mqttseg-forward -p ipv6-icmp --icmpv6-type 135 -m hl --hl-eq 255 -j RETURN
-A mqttseg-forward -p ipv6-icmp --icmpv6-type 136 -m hl --hl-eq 255 -j RETURN
-A mqttseg-forward -i br-iot -g mqttseg-33aa461a-from
-A mqttseg-forward -o br-iot -g mqttseg-33aa461a-to
-A mqttseg-input -i br-iot -g mqttseg-33aa461a-in
-A mqttseg-output -o br-iot -g mqttseg-33aa461a-out
-A mqttseg-33aa461a-in -p udp --sport 546 --dport 547 -j RETURN
-A mqttseg-33aa461a-in -p ipv6-icmp --icmpv6-type 133 -m hl --hl-eq 255 -j RETURN
-A mqttseg-33aa461a-in -p ipv6-icmp --icmpv6-type 135 -m hl --hl-eq 255 -j RETURN
-A mqttseg-33aa461a-in -p ipv6-icmp --icmpv6-type 136 -m hl --hl-eq 255 -j RETURN
-A mqttseg-33aa461a-in -p ipv6-icmp --icmpv6-type 131 -j RETURN
-A mqttseg-33aa461a-in -p ipv6-icmp --icmpv6-type 132 -j RETURN
-A mqttseg-33aa461a-in -p ipv6-icmp --icmpv6-type 143 -j RETURN
-A mqttseg-33aa461a-in -g mqttseg-33aa461a-from
-A mqttseg-33aa461a-out -p udp --sport 547 --dport 546 -j RETURN
-A mqttseg-33aa461a-out -p ipv6-icmp -j RETURN
-A mqttseg-33aa461a-out -g mqttseg-33aa461a-to
-A mqttseg-33aa461a-from -m conntrack --ctstate INVALID -j DROP
-A mqttseg-33aa461a-from -g mqttseg-33aa461a-id0
-A mqttseg-33aa461a-id0 -i br-iot -s fd00:9::11 -m mac --mac-source 02:aa:00:00:00:01 -g mqttseg-33aa461a-s0
-A mqttseg-33aa461a-id0 -i br-iot -s fd00:9::12 -m mac --mac-source 02:aa:00:00:00:02 -g mqttseg-33aa461a-s0
-A mqttseg-33aa461a-id0 -i br-iot -s fd00:9::21 -m mac --mac-source 02:bb:00:00:00:01 -g mqttseg-33aa461a-s1
-A mqttseg-33aa461a-id0 -g mqttseg-33aa461a-unknown
-A mqttseg-33aa461a-unknown -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg UNKNOWN - "
-A mqttseg-33aa461a-unknown -j DROP
-A mqttseg-33aa461a-to -p ipv6-icmp --icmpv6-type 1 -m conntrack --ctstate RELATED -j RETURN
-A mqttseg-33aa461a-to -p ipv6-icmp --icmpv6-type 2 -m conntrack --ctstate RELATED -j RETURN
-A mqttseg-33aa461a-to -m set --match-set mqttseg-33aa461a-adm-6 src -j RETURN
-A mqttseg-33aa461a-to -m set --match-set mqttseg-33aa461a-dev-6 dst -g mqttseg-33aa461a-peers
-A mqttseg-33aa461a-to -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY - to "
-A mqttseg-33aa461a-to -j DROP
-A mqttseg-33aa461a-peers -m set --match-set mqttseg-33aa461a-g0-6 dst -g mqttseg-33aa461a-r0
-A mqttseg-33aa461a-peers -m set --match-set mqttseg-33aa461a-g1-6 dst -g mqttseg-33aa461a-r1
-A mqttseg-33aa461a-peers -j DROP
-A mqttseg-33aa461a-answers -m set --match-set mqttseg-33aa461a-g0-6 dst -m set --match-set mqttseg-33aa461a-con0-6 src,src -j RETURN
-A mqttseg-33aa461a-answers -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY - answer "
-A mqttseg-33aa461a-answers -j DROP
-A mqttseg-33aa461a-s0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-adm-6 dst -j RETURN
-A mqttseg-33aa461a-s0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-dev-6 dst -g mqttseg-33aa461a-answers
-A mqttseg-33aa461a-s0 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip --hashlimit-name mqttseg6 -j DROP
-A mqttseg-33aa461a-s0 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-33aa461a-con0-6 dst,dst -j RETURN
-A mqttseg-33aa461a-s0 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-33aa461a-dst0-6 dst,dst -j RETURN
-A mqttseg-33aa461a-s0 -m conntrack --ctdir ORIGINAL -p udp --dport 123 -m addrtype --dst-type LOCAL -j RETURN
-A mqttseg-33aa461a-s0 -p ipv6-icmp -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN
-A mqttseg-33aa461a-s0 -g mqttseg-33aa461a-d0
-A mqttseg-33aa461a-d0 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY hvac "
-A mqttseg-33aa461a-d0 -j DROP
-A mqttseg-33aa461a-r0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-con0-6 src,src -j RETURN
-A mqttseg-33aa461a-r0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set ! --match-set mqttseg-33aa461a-dev-6 src -m set --match-set mqttseg-33aa461a-dst0-6 src,src -j RETURN
-A mqttseg-33aa461a-r0 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -p udp --sport 123 -m addrtype --src-type LOCAL -j RETURN
-A mqttseg-33aa461a-r0 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY hvac to "
-A mqttseg-33aa461a-r0 -j DROP
-A mqttseg-33aa461a-s1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-adm-6 dst -j RETURN
-A mqttseg-33aa461a-s1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set --match-set mqttseg-33aa461a-dev-6 dst -g mqttseg-33aa461a-answers
-A mqttseg-33aa461a-s1 -m conntrack --ctstate NEW -m hashlimit --hashlimit-above 20/sec --hashlimit-burst 40 --hashlimit-mode srcip --hashlimit-name mqttseg6 -j DROP
-A mqttseg-33aa461a-s1 -m conntrack --ctdir ORIGINAL -m set --match-set mqttseg-33aa461a-dst1-6 dst,dst -j RETURN
-A mqttseg-33aa461a-s1 -p ipv6-icmp -m addrtype --dst-type LOCAL -m limit --limit 20/sec -j RETURN
-A mqttseg-33aa461a-s1 -g mqttseg-33aa461a-d1
-A mqttseg-33aa461a-d1 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY cameras "
-A mqttseg-33aa461a-d1 -j DROP
-A mqttseg-33aa461a-r1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -m set ! --match-set mqttseg-33aa461a-dev-6 src -m set --match-set mqttseg-33aa461a-dst1-6 src,src -j RETURN
-A mqttseg-33aa461a-r1 -m limit --limit 5/sec --limit-burst 10 -j LOG --log-prefix "mqttseg DENY cameras to "
-A mqttseg-33aa461a-r1 -j DROP
COMMIT
END
}
ipset -exist restore <<'END'
create mqttseg-33aa461a-dev-4 hash:ip family inet hashsize 64 maxelem 65536
add mqttseg-33aa461a-dev-4 10.9.0.11
add mqttseg-33aa461a-dev-4 10.9.0.12
add mqttseg-33aa461a-dev-4 10.9.0.21
create mqttseg-33aa461a-adm-4 hash:net family inet hashsize 64 maxelem 65536
add mqttseg-33aa461a-adm-4 198.51.100.40
create mqttseg-33aa461a-g0-4 hash:ip family inet hashsize 64 maxelem 65536
add mqttseg-33aa461a-g0-4 10.9.0.11
add mqttseg-33aa461a-g0-4 10.9.0.12
create mqttseg-33aa461a-con0-4 hash:net,port family inet hashsize 64 maxelem 65536
add mqttseg-33aa461a-con0-4 10.9.0.21,tcp:443
create mqttseg-33aa461a-dst0-4 hash:net,port family inet hashsize 64 maxelem 65536
add mqttseg-33aa461a-dst0-4 192.0.2.10,tcp:8883
add mqttseg-33aa461a-dst0-4 192.0.2.53,tcp:53
add mqttseg-33aa461a-dst0-4 192.0.2.53,udp:53
create mqttseg-33aa461a-g1-4 hash:ip family inet hashsize 64 maxelem 65536
add mqttseg-33aa461a-g1-4 10.9.0.21
create mqttseg-33aa461a-dst1-4 hash:net,port family inet hashsize 64 maxelem 65536
add mqttseg-33aa461a-dst1-4 192.0.2.10,tcp:8883
create mqttseg-33aa461a-dev-6 hash:ip family inet6 hashsize 64 maxelem 65536
add mqttseg-33aa461a-dev-6 fd00:9::11
add mqttseg-33aa461a-dev-6 fd00:9::12
add mqttseg-33aa461a-dev-6 fd00:9::21
create mqttseg-33aa461a-adm-6 hash:net family inet6 hashsize 64 maxelem 65536
add mqttseg-33aa461a-adm-6 2001:db8:1::40
create mqttseg-33aa461a-g0-6 hash:ip family inet6 hashsize 64 maxelem 65536
add mqttseg-33aa461a-g0-6 fd00:9::11
add mqttseg-33aa461a-g0-6 fd00:9::12
create mqttseg-33aa461a-con0-6 hash:net,port family inet6 hashsize 64 maxelem 65536
add mqttseg-33aa461a-con0-6 fd00:9::21,tcp:443
create mqttseg-33aa461a-dst0-6 hash:net,port family inet6 hashsize 64 maxelem 65536
add mqttseg-33aa461a-dst0-6 2001:db8::10,tcp:8883
create mqttseg-33aa461a-g1-6 hash:ip family inet6 hashsize 64 maxelem 65536
add mqttseg-33aa461a-g1-6 fd00:9::21
create mqttseg-33aa461a-dst1-6 hash:net,port family inet6 hashsize 64 maxelem 65536
add mqttseg-33aa461a-dst1-6 2001:db8::10,tcp:8883
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
for name in $(ipset list -n | grep '^mqttseg-' | grep -v '^mqttseg-33aa461a-' || true); do
  ipset destroy "$name"
done
