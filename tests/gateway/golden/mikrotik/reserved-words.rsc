# Made by `mqttseg gateway render mikrotik` from plan 76606dbc. Change the policy, not this file.
# RouterOS 7. Take safe mode first (Ctrl-X), /import this file, look, and leave safe mode to keep it.
/ip firewall filter
:if ([:len [find comment="mqttseg jump 76606dbc"]] > 0) do={:error "plan 76606dbc is loaded already"}
remove [find chain~"^mqttseg-76606dbc-"]
/ip firewall address-list
remove [find list~"^mqttseg-76606dbc-"]
add list=mqttseg-76606dbc-dev address=10.9.0.11 comment="mqttseg a1"
add list=mqttseg-76606dbc-g0 address=10.9.0.11 comment="mqttseg a1"
add list=mqttseg-76606dbc-dev address=10.9.0.12 comment="mqttseg a2"
add list=mqttseg-76606dbc-g0 address=10.9.0.12 comment="mqttseg a2"
add list=mqttseg-76606dbc-dev address=10.9.0.21 comment="mqttseg b1"
add list=mqttseg-76606dbc-g1 address=10.9.0.21 comment="mqttseg b1"
add list=mqttseg-76606dbc-adm address=198.51.100.40/32 comment="mqttseg admin"
/ip firewall filter
add chain=mqttseg-76606dbc-in protocol=udp src-port=68 dst-port=67 action=return
add chain=mqttseg-76606dbc-in action=jump jump-target=mqttseg-76606dbc-from
add chain=mqttseg-76606dbc-out protocol=udp src-port=67 dst-port=68 action=return
add chain=mqttseg-76606dbc-out protocol=icmp action=return
add chain=mqttseg-76606dbc-out protocol=igmp action=return
add chain=mqttseg-76606dbc-out action=jump jump-target=mqttseg-76606dbc-to
add chain=mqttseg-76606dbc-from connection-state=invalid action=drop
add chain=mqttseg-76606dbc-from action=jump jump-target=mqttseg-76606dbc-id0
add chain=mqttseg-76606dbc-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:01 src-address=10.9.0.11 action=jump jump-target=mqttseg-76606dbc-s0
add chain=mqttseg-76606dbc-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:02 src-address=10.9.0.12 action=jump jump-target=mqttseg-76606dbc-s0
add chain=mqttseg-76606dbc-id0 in-interface="br-iot" src-mac-address=02:BB:00:00:00:01 src-address=10.9.0.21 action=jump jump-target=mqttseg-76606dbc-s1
add chain=mqttseg-76606dbc-id0 action=jump jump-target=mqttseg-76606dbc-unknown
add chain=mqttseg-76606dbc-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-76606dbc-unknown action=drop
add chain=mqttseg-76606dbc-to protocol=icmp icmp-options=3:0-255 connection-state=related action=accept
add chain=mqttseg-76606dbc-to src-address-list=mqttseg-76606dbc-adm action=accept
add chain=mqttseg-76606dbc-to dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-peers
add chain=mqttseg-76606dbc-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-76606dbc-to action=drop
add chain=mqttseg-76606dbc-peers dst-address-list=mqttseg-76606dbc-g0 action=jump jump-target=mqttseg-76606dbc-r0
add chain=mqttseg-76606dbc-peers dst-address-list=mqttseg-76606dbc-g1 action=jump jump-target=mqttseg-76606dbc-r1
add chain=mqttseg-76606dbc-peers action=drop
add chain=mqttseg-76606dbc-s0 connection-state=established,related dst-address-list=mqttseg-76606dbc-adm action=accept
add chain=mqttseg-76606dbc-s0 connection-state=established,related dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-peers
add chain=mqttseg-76606dbc-s0 dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-d0
add chain=mqttseg-76606dbc-s0 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-76606dbc-s0 protocol=tcp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-76606dbc-s0 protocol=udp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-76606dbc-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-76606dbc-s0 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-76606dbc-s0 action=jump jump-target=mqttseg-76606dbc-d0
add chain=mqttseg-76606dbc-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY log"
add chain=mqttseg-76606dbc-d0 action=drop
add chain=mqttseg-76606dbc-r0 connection-state=established,related protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-76606dbc-dev action=accept
add chain=mqttseg-76606dbc-r0 connection-state=established,related protocol=tcp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-76606dbc-dev action=accept
add chain=mqttseg-76606dbc-r0 connection-state=established,related protocol=udp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-76606dbc-dev action=accept
add chain=mqttseg-76606dbc-r0 connection-state=established,related protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-76606dbc-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY log to"
add chain=mqttseg-76606dbc-r0 action=drop
add chain=mqttseg-76606dbc-s1 connection-state=established,related dst-address-list=mqttseg-76606dbc-adm action=accept
add chain=mqttseg-76606dbc-s1 connection-state=established,related dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-peers
add chain=mqttseg-76606dbc-s1 dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-d1
add chain=mqttseg-76606dbc-s1 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-76606dbc-s1 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-76606dbc-s1 action=jump jump-target=mqttseg-76606dbc-d1
add chain=mqttseg-76606dbc-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY counter"
add chain=mqttseg-76606dbc-d1 action=drop
add chain=mqttseg-76606dbc-r1 connection-state=established,related protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-76606dbc-dev action=accept
add chain=mqttseg-76606dbc-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY counter to"
add chain=mqttseg-76606dbc-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-76606dbc-out comment="mqttseg jump 76606dbc" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-76606dbc-in comment="mqttseg jump 76606dbc" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-76606dbc-to comment="mqttseg jump 76606dbc" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-76606dbc-from comment="mqttseg jump 76606dbc" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump 76606dbc"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-76606dbc-")]
/ip firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-76606dbc-")]
/ipv6 firewall filter
:if ([:len [find comment="mqttseg jump 76606dbc"]] > 0) do={:error "plan 76606dbc is loaded already"}
remove [find chain~"^mqttseg-76606dbc-"]
/ipv6 firewall address-list
remove [find list~"^mqttseg-76606dbc-"]
add list=mqttseg-76606dbc-dev address=fd00:9::11 comment="mqttseg a1"
add list=mqttseg-76606dbc-g0 address=fd00:9::11 comment="mqttseg a1"
add list=mqttseg-76606dbc-dev address=fd00:9::12 comment="mqttseg a2"
add list=mqttseg-76606dbc-g0 address=fd00:9::12 comment="mqttseg a2"
add list=mqttseg-76606dbc-dev address=fd00:9::21 comment="mqttseg b1"
add list=mqttseg-76606dbc-g1 address=fd00:9::21 comment="mqttseg b1"
add list=mqttseg-76606dbc-adm address=2001:db8:1::40/128 comment="mqttseg admin"
/ipv6 firewall filter
add chain=mqttseg-76606dbc-in protocol=udp src-port=546 dst-port=547 action=return
add chain=mqttseg-76606dbc-in protocol=icmpv6 icmp-options=133:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-76606dbc-in protocol=icmpv6 icmp-options=135:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-76606dbc-in protocol=icmpv6 icmp-options=136:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-76606dbc-in protocol=icmpv6 icmp-options=131:0-255 action=return
add chain=mqttseg-76606dbc-in protocol=icmpv6 icmp-options=132:0-255 action=return
add chain=mqttseg-76606dbc-in protocol=icmpv6 icmp-options=143:0-255 action=return
add chain=mqttseg-76606dbc-in action=jump jump-target=mqttseg-76606dbc-from
add chain=mqttseg-76606dbc-out protocol=udp src-port=547 dst-port=546 action=return
add chain=mqttseg-76606dbc-out protocol=icmpv6 action=return
add chain=mqttseg-76606dbc-out action=jump jump-target=mqttseg-76606dbc-to
add chain=mqttseg-76606dbc-from connection-state=invalid action=drop
add chain=mqttseg-76606dbc-from action=jump jump-target=mqttseg-76606dbc-id0
add chain=mqttseg-76606dbc-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:01 src-address=fd00:9::11 action=jump jump-target=mqttseg-76606dbc-s0
add chain=mqttseg-76606dbc-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:02 src-address=fd00:9::12 action=jump jump-target=mqttseg-76606dbc-s0
add chain=mqttseg-76606dbc-id0 in-interface="br-iot" src-mac-address=02:BB:00:00:00:01 src-address=fd00:9::21 action=jump jump-target=mqttseg-76606dbc-s1
add chain=mqttseg-76606dbc-id0 action=jump jump-target=mqttseg-76606dbc-unknown
add chain=mqttseg-76606dbc-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-76606dbc-unknown action=drop
add chain=mqttseg-76606dbc-to protocol=icmpv6 icmp-options=1:0-255 connection-state=related action=accept
add chain=mqttseg-76606dbc-to protocol=icmpv6 icmp-options=2:0-255 connection-state=related action=accept
add chain=mqttseg-76606dbc-to src-address-list=mqttseg-76606dbc-adm action=accept
add chain=mqttseg-76606dbc-to dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-peers
add chain=mqttseg-76606dbc-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-76606dbc-to action=drop
add chain=mqttseg-76606dbc-peers dst-address-list=mqttseg-76606dbc-g0 action=jump jump-target=mqttseg-76606dbc-r0
add chain=mqttseg-76606dbc-peers dst-address-list=mqttseg-76606dbc-g1 action=jump jump-target=mqttseg-76606dbc-r1
add chain=mqttseg-76606dbc-peers action=drop
add chain=mqttseg-76606dbc-s0 connection-state=established,related dst-address-list=mqttseg-76606dbc-adm action=accept
add chain=mqttseg-76606dbc-s0 connection-state=established,related dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-peers
add chain=mqttseg-76606dbc-s0 dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-d0
add chain=mqttseg-76606dbc-s0 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-76606dbc-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-76606dbc-s0 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-76606dbc-s0 action=jump jump-target=mqttseg-76606dbc-d0
add chain=mqttseg-76606dbc-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY log"
add chain=mqttseg-76606dbc-d0 action=drop
add chain=mqttseg-76606dbc-r0 connection-state=established,related protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-76606dbc-dev action=accept
add chain=mqttseg-76606dbc-r0 connection-state=established,related protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-76606dbc-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY log to"
add chain=mqttseg-76606dbc-r0 action=drop
add chain=mqttseg-76606dbc-s1 connection-state=established,related dst-address-list=mqttseg-76606dbc-adm action=accept
add chain=mqttseg-76606dbc-s1 connection-state=established,related dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-peers
add chain=mqttseg-76606dbc-s1 dst-address-list=mqttseg-76606dbc-dev action=jump jump-target=mqttseg-76606dbc-d1
add chain=mqttseg-76606dbc-s1 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-76606dbc-s1 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-76606dbc-s1 action=jump jump-target=mqttseg-76606dbc-d1
add chain=mqttseg-76606dbc-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY counter"
add chain=mqttseg-76606dbc-d1 action=drop
add chain=mqttseg-76606dbc-r1 connection-state=established,related protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-76606dbc-dev action=accept
add chain=mqttseg-76606dbc-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY counter to"
add chain=mqttseg-76606dbc-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-76606dbc-out comment="mqttseg jump 76606dbc" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-76606dbc-in comment="mqttseg jump 76606dbc" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-76606dbc-to comment="mqttseg jump 76606dbc" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-76606dbc-from comment="mqttseg jump 76606dbc" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump 76606dbc"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-76606dbc-")]
/ipv6 firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-76606dbc-")]
