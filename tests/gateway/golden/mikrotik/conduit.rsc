# Made by `mqttseg gateway render mikrotik` from plan 7c049e74. Change the policy, not this file.
# RouterOS 7. Take safe mode first (Ctrl-X), /import this file, look, and leave safe mode to keep it.
/ip firewall filter
:if ([:len [find comment="mqttseg jump 7c049e74"]] > 0) do={:error "plan 7c049e74 is loaded already"}
remove [find chain~"^mqttseg-7c049e74-"]
/ip firewall address-list
remove [find list~"^mqttseg-7c049e74-"]
add list=mqttseg-7c049e74-dev address=10.9.0.11 comment="mqttseg a1"
add list=mqttseg-7c049e74-g0 address=10.9.0.11 comment="mqttseg a1"
add list=mqttseg-7c049e74-dev address=10.9.0.12 comment="mqttseg a2"
add list=mqttseg-7c049e74-g0 address=10.9.0.12 comment="mqttseg a2"
add list=mqttseg-7c049e74-dev address=10.9.0.21 comment="mqttseg b1"
add list=mqttseg-7c049e74-g1 address=10.9.0.21 comment="mqttseg b1"
add list=mqttseg-7c049e74-adm address=198.51.100.40/32 comment="mqttseg admin"
/ip firewall filter
add chain=mqttseg-7c049e74-in protocol=udp src-port=68 dst-port=67 action=return
add chain=mqttseg-7c049e74-in action=jump jump-target=mqttseg-7c049e74-from
add chain=mqttseg-7c049e74-out protocol=udp src-port=67 dst-port=68 action=return
add chain=mqttseg-7c049e74-out protocol=icmp action=return
add chain=mqttseg-7c049e74-out protocol=igmp action=return
add chain=mqttseg-7c049e74-out action=jump jump-target=mqttseg-7c049e74-to
add chain=mqttseg-7c049e74-from connection-state=invalid action=drop
add chain=mqttseg-7c049e74-from action=jump jump-target=mqttseg-7c049e74-id0
add chain=mqttseg-7c049e74-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:01 src-address=10.9.0.11 action=jump jump-target=mqttseg-7c049e74-s0
add chain=mqttseg-7c049e74-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:02 src-address=10.9.0.12 action=jump jump-target=mqttseg-7c049e74-s0
add chain=mqttseg-7c049e74-id0 in-interface="br-iot" src-mac-address=02:BB:00:00:00:01 src-address=10.9.0.21 action=jump jump-target=mqttseg-7c049e74-s1
add chain=mqttseg-7c049e74-id0 action=jump jump-target=mqttseg-7c049e74-unknown
add chain=mqttseg-7c049e74-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-7c049e74-unknown action=drop
add chain=mqttseg-7c049e74-to protocol=icmp icmp-options=3:0-255 connection-state=related action=accept
add chain=mqttseg-7c049e74-to src-address-list=mqttseg-7c049e74-adm action=accept
add chain=mqttseg-7c049e74-to dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-peers
add chain=mqttseg-7c049e74-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-7c049e74-to action=drop
add chain=mqttseg-7c049e74-peers dst-address-list=mqttseg-7c049e74-g0 action=jump jump-target=mqttseg-7c049e74-r0
add chain=mqttseg-7c049e74-peers dst-address-list=mqttseg-7c049e74-g1 action=jump jump-target=mqttseg-7c049e74-r1
add chain=mqttseg-7c049e74-peers action=drop
add chain=mqttseg-7c049e74-answers connection-state=established protocol=tcp src-address=10.9.0.21/32 src-port=443 dst-address-list=mqttseg-7c049e74-g0 action=accept
add chain=mqttseg-7c049e74-answers action=log limit=5,10:packet log-prefix="mqttseg DENY - answer"
add chain=mqttseg-7c049e74-answers action=drop
add chain=mqttseg-7c049e74-s0 protocol=tcp dst-address=10.9.0.21/32 dst-port=443 action=accept
add chain=mqttseg-7c049e74-s0 connection-state=established dst-address-list=mqttseg-7c049e74-adm action=accept
add chain=mqttseg-7c049e74-s0 connection-state=established dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-answers
add chain=mqttseg-7c049e74-s0 dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-d0
add chain=mqttseg-7c049e74-s0 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-7c049e74-s0 protocol=tcp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-7c049e74-s0 protocol=udp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-7c049e74-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-7c049e74-s0 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-7c049e74-s0 action=jump jump-target=mqttseg-7c049e74-d0
add chain=mqttseg-7c049e74-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-7c049e74-d0 action=drop
add chain=mqttseg-7c049e74-r0 connection-state=established protocol=tcp src-address=10.9.0.21/32 src-port=443 action=accept
add chain=mqttseg-7c049e74-r0 connection-state=established protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-7c049e74-dev action=accept
add chain=mqttseg-7c049e74-r0 connection-state=established protocol=tcp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-7c049e74-dev action=accept
add chain=mqttseg-7c049e74-r0 connection-state=established protocol=udp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-7c049e74-dev action=accept
add chain=mqttseg-7c049e74-r0 connection-state=established protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-7c049e74-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-7c049e74-r0 action=drop
add chain=mqttseg-7c049e74-s1 connection-state=established dst-address-list=mqttseg-7c049e74-adm action=accept
add chain=mqttseg-7c049e74-s1 connection-state=established dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-answers
add chain=mqttseg-7c049e74-s1 dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-d1
add chain=mqttseg-7c049e74-s1 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-7c049e74-s1 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-7c049e74-s1 action=jump jump-target=mqttseg-7c049e74-d1
add chain=mqttseg-7c049e74-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras"
add chain=mqttseg-7c049e74-d1 action=drop
add chain=mqttseg-7c049e74-r1 connection-state=established protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-7c049e74-dev action=accept
add chain=mqttseg-7c049e74-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras to"
add chain=mqttseg-7c049e74-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-7c049e74-out comment="mqttseg jump 7c049e74" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-7c049e74-in comment="mqttseg jump 7c049e74" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-7c049e74-to comment="mqttseg jump 7c049e74" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-7c049e74-from comment="mqttseg jump 7c049e74" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump 7c049e74"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-7c049e74-")]
/ip firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-7c049e74-")]
/ipv6 firewall filter
:if ([:len [find comment="mqttseg jump 7c049e74"]] > 0) do={:error "plan 7c049e74 is loaded already"}
remove [find chain~"^mqttseg-7c049e74-"]
/ipv6 firewall address-list
remove [find list~"^mqttseg-7c049e74-"]
add list=mqttseg-7c049e74-dev address=fd00:9::11 comment="mqttseg a1"
add list=mqttseg-7c049e74-g0 address=fd00:9::11 comment="mqttseg a1"
add list=mqttseg-7c049e74-dev address=fd00:9::12 comment="mqttseg a2"
add list=mqttseg-7c049e74-g0 address=fd00:9::12 comment="mqttseg a2"
add list=mqttseg-7c049e74-dev address=fd00:9::21 comment="mqttseg b1"
add list=mqttseg-7c049e74-g1 address=fd00:9::21 comment="mqttseg b1"
add list=mqttseg-7c049e74-adm address=2001:db8:1::40/128 comment="mqttseg admin"
/ipv6 firewall filter
add chain=mqttseg-7c049e74-in protocol=udp src-port=546 dst-port=547 action=return
add chain=mqttseg-7c049e74-in protocol=icmpv6 icmp-options=133:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-7c049e74-in protocol=icmpv6 icmp-options=135:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-7c049e74-in protocol=icmpv6 icmp-options=136:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-7c049e74-in protocol=icmpv6 icmp-options=131:0-255 action=return
add chain=mqttseg-7c049e74-in protocol=icmpv6 icmp-options=132:0-255 action=return
add chain=mqttseg-7c049e74-in protocol=icmpv6 icmp-options=143:0-255 action=return
add chain=mqttseg-7c049e74-in action=jump jump-target=mqttseg-7c049e74-from
add chain=mqttseg-7c049e74-out protocol=udp src-port=547 dst-port=546 action=return
add chain=mqttseg-7c049e74-out protocol=icmpv6 action=return
add chain=mqttseg-7c049e74-out action=jump jump-target=mqttseg-7c049e74-to
add chain=mqttseg-7c049e74-from connection-state=invalid action=drop
add chain=mqttseg-7c049e74-from action=jump jump-target=mqttseg-7c049e74-id0
add chain=mqttseg-7c049e74-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:01 src-address=fd00:9::11 action=jump jump-target=mqttseg-7c049e74-s0
add chain=mqttseg-7c049e74-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:02 src-address=fd00:9::12 action=jump jump-target=mqttseg-7c049e74-s0
add chain=mqttseg-7c049e74-id0 in-interface="br-iot" src-mac-address=02:BB:00:00:00:01 src-address=fd00:9::21 action=jump jump-target=mqttseg-7c049e74-s1
add chain=mqttseg-7c049e74-id0 action=jump jump-target=mqttseg-7c049e74-unknown
add chain=mqttseg-7c049e74-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-7c049e74-unknown action=drop
add chain=mqttseg-7c049e74-to protocol=icmpv6 icmp-options=1:0-255 connection-state=related action=accept
add chain=mqttseg-7c049e74-to protocol=icmpv6 icmp-options=2:0-255 connection-state=related action=accept
add chain=mqttseg-7c049e74-to src-address-list=mqttseg-7c049e74-adm action=accept
add chain=mqttseg-7c049e74-to dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-peers
add chain=mqttseg-7c049e74-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-7c049e74-to action=drop
add chain=mqttseg-7c049e74-peers dst-address-list=mqttseg-7c049e74-g0 action=jump jump-target=mqttseg-7c049e74-r0
add chain=mqttseg-7c049e74-peers dst-address-list=mqttseg-7c049e74-g1 action=jump jump-target=mqttseg-7c049e74-r1
add chain=mqttseg-7c049e74-peers action=drop
add chain=mqttseg-7c049e74-answers connection-state=established protocol=tcp src-address=fd00:9::21/128 src-port=443 dst-address-list=mqttseg-7c049e74-g0 action=accept
add chain=mqttseg-7c049e74-answers action=log limit=5,10:packet log-prefix="mqttseg DENY - answer"
add chain=mqttseg-7c049e74-answers action=drop
add chain=mqttseg-7c049e74-s0 protocol=tcp dst-address=fd00:9::21/128 dst-port=443 action=accept
add chain=mqttseg-7c049e74-s0 connection-state=established dst-address-list=mqttseg-7c049e74-adm action=accept
add chain=mqttseg-7c049e74-s0 connection-state=established dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-answers
add chain=mqttseg-7c049e74-s0 dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-d0
add chain=mqttseg-7c049e74-s0 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-7c049e74-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-7c049e74-s0 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-7c049e74-s0 action=jump jump-target=mqttseg-7c049e74-d0
add chain=mqttseg-7c049e74-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-7c049e74-d0 action=drop
add chain=mqttseg-7c049e74-r0 connection-state=established protocol=tcp src-address=fd00:9::21/128 src-port=443 action=accept
add chain=mqttseg-7c049e74-r0 connection-state=established protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-7c049e74-dev action=accept
add chain=mqttseg-7c049e74-r0 connection-state=established protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-7c049e74-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-7c049e74-r0 action=drop
add chain=mqttseg-7c049e74-s1 connection-state=established dst-address-list=mqttseg-7c049e74-adm action=accept
add chain=mqttseg-7c049e74-s1 connection-state=established dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-answers
add chain=mqttseg-7c049e74-s1 dst-address-list=mqttseg-7c049e74-dev action=jump jump-target=mqttseg-7c049e74-d1
add chain=mqttseg-7c049e74-s1 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-7c049e74-s1 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-7c049e74-s1 action=jump jump-target=mqttseg-7c049e74-d1
add chain=mqttseg-7c049e74-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras"
add chain=mqttseg-7c049e74-d1 action=drop
add chain=mqttseg-7c049e74-r1 connection-state=established protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-7c049e74-dev action=accept
add chain=mqttseg-7c049e74-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras to"
add chain=mqttseg-7c049e74-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-7c049e74-out comment="mqttseg jump 7c049e74" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-7c049e74-in comment="mqttseg jump 7c049e74" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-7c049e74-to comment="mqttseg jump 7c049e74" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-7c049e74-from comment="mqttseg jump 7c049e74" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump 7c049e74"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-7c049e74-")]
/ipv6 firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-7c049e74-")]
