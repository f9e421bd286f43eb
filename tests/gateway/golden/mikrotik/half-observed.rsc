# Made by `mqttseg gateway render mikrotik` from plan f6c5d56c. Change the policy, not this file.
# RouterOS 7. Take safe mode first (Ctrl-X), /import this file, look, and leave safe mode to keep it.
/ip firewall filter
:if ([:len [find comment="mqttseg jump f6c5d56c"]] > 0) do={:error "plan f6c5d56c is loaded already"}
remove [find chain~"^mqttseg-f6c5d56c-"]
/ip firewall address-list
remove [find list~"^mqttseg-f6c5d56c-"]
add list=mqttseg-f6c5d56c-dev address=10.9.0.11 comment="mqttseg a1"
add list=mqttseg-f6c5d56c-g0 address=10.9.0.11 comment="mqttseg a1"
add list=mqttseg-f6c5d56c-dev address=10.9.0.12 comment="mqttseg a2"
add list=mqttseg-f6c5d56c-g0 address=10.9.0.12 comment="mqttseg a2"
add list=mqttseg-f6c5d56c-dev address=10.9.0.21 comment="mqttseg b1"
add list=mqttseg-f6c5d56c-g1 address=10.9.0.21 comment="mqttseg b1"
add list=mqttseg-f6c5d56c-adm address=198.51.100.40/32 comment="mqttseg admin"
/ip firewall filter
add chain=mqttseg-f6c5d56c-in protocol=udp src-port=68 dst-port=67 action=return
add chain=mqttseg-f6c5d56c-in action=jump jump-target=mqttseg-f6c5d56c-from
add chain=mqttseg-f6c5d56c-out protocol=udp src-port=67 dst-port=68 action=return
add chain=mqttseg-f6c5d56c-out protocol=icmp action=return
add chain=mqttseg-f6c5d56c-out protocol=igmp action=return
add chain=mqttseg-f6c5d56c-out action=jump jump-target=mqttseg-f6c5d56c-to
add chain=mqttseg-f6c5d56c-from connection-state=invalid action=drop
add chain=mqttseg-f6c5d56c-from action=jump jump-target=mqttseg-f6c5d56c-id0
add chain=mqttseg-f6c5d56c-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:01 src-address=10.9.0.11 action=jump jump-target=mqttseg-f6c5d56c-s0
add chain=mqttseg-f6c5d56c-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:02 src-address=10.9.0.12 action=jump jump-target=mqttseg-f6c5d56c-s0
add chain=mqttseg-f6c5d56c-id0 in-interface="br-iot" src-mac-address=02:BB:00:00:00:01 src-address=10.9.0.21 action=jump jump-target=mqttseg-f6c5d56c-s1
add chain=mqttseg-f6c5d56c-id0 action=jump jump-target=mqttseg-f6c5d56c-unknown
add chain=mqttseg-f6c5d56c-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-f6c5d56c-unknown action=drop
add chain=mqttseg-f6c5d56c-to protocol=icmp icmp-options=3:0-255 connection-state=related action=accept
add chain=mqttseg-f6c5d56c-to src-address-list=mqttseg-f6c5d56c-adm action=accept
add chain=mqttseg-f6c5d56c-to dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-peers
add chain=mqttseg-f6c5d56c-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-f6c5d56c-to action=drop
add chain=mqttseg-f6c5d56c-peers dst-address-list=mqttseg-f6c5d56c-g0 action=jump jump-target=mqttseg-f6c5d56c-r0
add chain=mqttseg-f6c5d56c-peers dst-address-list=mqttseg-f6c5d56c-g1 action=jump jump-target=mqttseg-f6c5d56c-r1
add chain=mqttseg-f6c5d56c-peers action=drop
add chain=mqttseg-f6c5d56c-answers connection-state=established protocol=tcp src-address=10.9.0.21/32 src-port=443 dst-address-list=mqttseg-f6c5d56c-g0 action=accept
add chain=mqttseg-f6c5d56c-answers action=log limit=5,10:packet log-prefix="mqttseg DENY - answer"
add chain=mqttseg-f6c5d56c-answers action=drop
add chain=mqttseg-f6c5d56c-s0 protocol=tcp dst-address=10.9.0.21/32 dst-port=443 action=accept
add chain=mqttseg-f6c5d56c-s0 connection-state=established dst-address-list=mqttseg-f6c5d56c-adm action=accept
add chain=mqttseg-f6c5d56c-s0 connection-state=established dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-answers
add chain=mqttseg-f6c5d56c-s0 dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-d0
add chain=mqttseg-f6c5d56c-s0 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-f6c5d56c-s0 protocol=tcp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-f6c5d56c-s0 protocol=udp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-f6c5d56c-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-f6c5d56c-s0 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-f6c5d56c-s0 action=jump jump-target=mqttseg-f6c5d56c-d0
add chain=mqttseg-f6c5d56c-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-f6c5d56c-d0 action=drop
add chain=mqttseg-f6c5d56c-r0 connection-state=established protocol=tcp src-address=10.9.0.21/32 src-port=443 action=accept
add chain=mqttseg-f6c5d56c-r0 connection-state=established protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-f6c5d56c-dev action=accept
add chain=mqttseg-f6c5d56c-r0 connection-state=established protocol=tcp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-f6c5d56c-dev action=accept
add chain=mqttseg-f6c5d56c-r0 connection-state=established protocol=udp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-f6c5d56c-dev action=accept
add chain=mqttseg-f6c5d56c-r0 connection-state=established protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-f6c5d56c-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-f6c5d56c-r0 action=drop
add chain=mqttseg-f6c5d56c-s1 connection-state=established dst-address-list=mqttseg-f6c5d56c-adm action=accept
add chain=mqttseg-f6c5d56c-s1 connection-state=established dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-peers
add chain=mqttseg-f6c5d56c-s1 dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-d1
add chain=mqttseg-f6c5d56c-s1 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-f6c5d56c-s1 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-f6c5d56c-s1 action=jump jump-target=mqttseg-f6c5d56c-d1
add chain=mqttseg-f6c5d56c-d1 action=log limit=5,10:packet log-prefix="mqttseg OBSERVE cameras"
add chain=mqttseg-f6c5d56c-d1 dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-peers
add chain=mqttseg-f6c5d56c-d1 action=accept
add chain=mqttseg-f6c5d56c-r1 connection-state=established protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-f6c5d56c-dev action=accept
add chain=mqttseg-f6c5d56c-r1 action=log limit=5,10:packet log-prefix="mqttseg OBSERVE cameras to"
add chain=mqttseg-f6c5d56c-r1 action=accept
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-f6c5d56c-out comment="mqttseg jump f6c5d56c" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-f6c5d56c-in comment="mqttseg jump f6c5d56c" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-f6c5d56c-to comment="mqttseg jump f6c5d56c" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-f6c5d56c-from comment="mqttseg jump f6c5d56c" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump f6c5d56c"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-f6c5d56c-")]
/ip firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-f6c5d56c-")]
/ipv6 firewall filter
:if ([:len [find comment="mqttseg jump f6c5d56c"]] > 0) do={:error "plan f6c5d56c is loaded already"}
remove [find chain~"^mqttseg-f6c5d56c-"]
/ipv6 firewall address-list
remove [find list~"^mqttseg-f6c5d56c-"]
add list=mqttseg-f6c5d56c-dev address=fd00:9::11 comment="mqttseg a1"
add list=mqttseg-f6c5d56c-g0 address=fd00:9::11 comment="mqttseg a1"
add list=mqttseg-f6c5d56c-dev address=fd00:9::12 comment="mqttseg a2"
add list=mqttseg-f6c5d56c-g0 address=fd00:9::12 comment="mqttseg a2"
add list=mqttseg-f6c5d56c-dev address=fd00:9::21 comment="mqttseg b1"
add list=mqttseg-f6c5d56c-g1 address=fd00:9::21 comment="mqttseg b1"
add list=mqttseg-f6c5d56c-adm address=2001:db8:1::40/128 comment="mqttseg admin"
/ipv6 firewall filter
add chain=mqttseg-f6c5d56c-in protocol=udp src-port=546 dst-port=547 action=return
add chain=mqttseg-f6c5d56c-in protocol=icmpv6 icmp-options=133:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-f6c5d56c-in protocol=icmpv6 icmp-options=135:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-f6c5d56c-in protocol=icmpv6 icmp-options=136:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-f6c5d56c-in protocol=icmpv6 icmp-options=131:0-255 action=return
add chain=mqttseg-f6c5d56c-in protocol=icmpv6 icmp-options=132:0-255 action=return
add chain=mqttseg-f6c5d56c-in protocol=icmpv6 icmp-options=143:0-255 action=return
add chain=mqttseg-f6c5d56c-in action=jump jump-target=mqttseg-f6c5d56c-from
add chain=mqttseg-f6c5d56c-out protocol=udp src-port=547 dst-port=546 action=return
add chain=mqttseg-f6c5d56c-out protocol=icmpv6 action=return
add chain=mqttseg-f6c5d56c-out action=jump jump-target=mqttseg-f6c5d56c-to
add chain=mqttseg-f6c5d56c-from connection-state=invalid action=drop
add chain=mqttseg-f6c5d56c-from action=jump jump-target=mqttseg-f6c5d56c-id0
add chain=mqttseg-f6c5d56c-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:01 src-address=fd00:9::11 action=jump jump-target=mqttseg-f6c5d56c-s0
add chain=mqttseg-f6c5d56c-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:02 src-address=fd00:9::12 action=jump jump-target=mqttseg-f6c5d56c-s0
add chain=mqttseg-f6c5d56c-id0 in-interface="br-iot" src-mac-address=02:BB:00:00:00:01 src-address=fd00:9::21 action=jump jump-target=mqttseg-f6c5d56c-s1
add chain=mqttseg-f6c5d56c-id0 action=jump jump-target=mqttseg-f6c5d56c-unknown
add chain=mqttseg-f6c5d56c-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-f6c5d56c-unknown action=drop
add chain=mqttseg-f6c5d56c-to protocol=icmpv6 icmp-options=1:0-255 connection-state=related action=accept
add chain=mqttseg-f6c5d56c-to protocol=icmpv6 icmp-options=2:0-255 connection-state=related action=accept
add chain=mqttseg-f6c5d56c-to src-address-list=mqttseg-f6c5d56c-adm action=accept
add chain=mqttseg-f6c5d56c-to dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-peers
add chain=mqttseg-f6c5d56c-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-f6c5d56c-to action=drop
add chain=mqttseg-f6c5d56c-peers dst-address-list=mqttseg-f6c5d56c-g0 action=jump jump-target=mqttseg-f6c5d56c-r0
add chain=mqttseg-f6c5d56c-peers dst-address-list=mqttseg-f6c5d56c-g1 action=jump jump-target=mqttseg-f6c5d56c-r1
add chain=mqttseg-f6c5d56c-peers action=drop
add chain=mqttseg-f6c5d56c-answers connection-state=established protocol=tcp src-address=fd00:9::21/128 src-port=443 dst-address-list=mqttseg-f6c5d56c-g0 action=accept
add chain=mqttseg-f6c5d56c-answers action=log limit=5,10:packet log-prefix="mqttseg DENY - answer"
add chain=mqttseg-f6c5d56c-answers action=drop
add chain=mqttseg-f6c5d56c-s0 protocol=tcp dst-address=fd00:9::21/128 dst-port=443 action=accept
add chain=mqttseg-f6c5d56c-s0 connection-state=established dst-address-list=mqttseg-f6c5d56c-adm action=accept
add chain=mqttseg-f6c5d56c-s0 connection-state=established dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-answers
add chain=mqttseg-f6c5d56c-s0 dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-d0
add chain=mqttseg-f6c5d56c-s0 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-f6c5d56c-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-f6c5d56c-s0 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-f6c5d56c-s0 action=jump jump-target=mqttseg-f6c5d56c-d0
add chain=mqttseg-f6c5d56c-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-f6c5d56c-d0 action=drop
add chain=mqttseg-f6c5d56c-r0 connection-state=established protocol=tcp src-address=fd00:9::21/128 src-port=443 action=accept
add chain=mqttseg-f6c5d56c-r0 connection-state=established protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-f6c5d56c-dev action=accept
add chain=mqttseg-f6c5d56c-r0 connection-state=established protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-f6c5d56c-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-f6c5d56c-r0 action=drop
add chain=mqttseg-f6c5d56c-s1 connection-state=established dst-address-list=mqttseg-f6c5d56c-adm action=accept
add chain=mqttseg-f6c5d56c-s1 connection-state=established dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-peers
add chain=mqttseg-f6c5d56c-s1 dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-d1
add chain=mqttseg-f6c5d56c-s1 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-f6c5d56c-s1 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-f6c5d56c-s1 action=jump jump-target=mqttseg-f6c5d56c-d1
add chain=mqttseg-f6c5d56c-d1 action=log limit=5,10:packet log-prefix="mqttseg OBSERVE cameras"
add chain=mqttseg-f6c5d56c-d1 dst-address-list=mqttseg-f6c5d56c-dev action=jump jump-target=mqttseg-f6c5d56c-peers
add chain=mqttseg-f6c5d56c-d1 action=accept
add chain=mqttseg-f6c5d56c-r1 connection-state=established protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-f6c5d56c-dev action=accept
add chain=mqttseg-f6c5d56c-r1 action=log limit=5,10:packet log-prefix="mqttseg OBSERVE cameras to"
add chain=mqttseg-f6c5d56c-r1 action=accept
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-f6c5d56c-out comment="mqttseg jump f6c5d56c" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-f6c5d56c-in comment="mqttseg jump f6c5d56c" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-f6c5d56c-to comment="mqttseg jump f6c5d56c" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-f6c5d56c-from comment="mqttseg jump f6c5d56c" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump f6c5d56c"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-f6c5d56c-")]
/ipv6 firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-f6c5d56c-")]
