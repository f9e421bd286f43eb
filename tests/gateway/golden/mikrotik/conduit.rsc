# Made by `mqttseg gateway render mikrotik` from plan 2f7706cd. Change the policy, not this file.
# RouterOS 7. Take safe mode first (Ctrl-X), /import this file, look, and leave safe mode to keep it.
/ip firewall filter
:if ([:len [find comment="mqttseg jump 2f7706cd"]] > 0) do={:error "plan 2f7706cd is loaded already"}
remove [find chain~"^mqttseg-2f7706cd-"]
/ip firewall address-list
remove [find list~"^mqttseg-2f7706cd-"]
add list=mqttseg-2f7706cd-dev address=10.9.0.11 comment="mqttseg a1"
add list=mqttseg-2f7706cd-g0 address=10.9.0.11 comment="mqttseg a1"
add list=mqttseg-2f7706cd-dev address=10.9.0.12 comment="mqttseg a2"
add list=mqttseg-2f7706cd-g0 address=10.9.0.12 comment="mqttseg a2"
add list=mqttseg-2f7706cd-dev address=10.9.0.21 comment="mqttseg b1"
add list=mqttseg-2f7706cd-g1 address=10.9.0.21 comment="mqttseg b1"
add list=mqttseg-2f7706cd-adm address=198.51.100.40/32 comment="mqttseg admin"
/ip firewall filter
add chain=mqttseg-2f7706cd-in protocol=udp src-port=68 dst-port=67 action=return
add chain=mqttseg-2f7706cd-in action=jump jump-target=mqttseg-2f7706cd-from
add chain=mqttseg-2f7706cd-out protocol=udp src-port=67 dst-port=68 action=return
add chain=mqttseg-2f7706cd-out protocol=icmp action=return
add chain=mqttseg-2f7706cd-out protocol=igmp action=return
add chain=mqttseg-2f7706cd-out action=jump jump-target=mqttseg-2f7706cd-to
add chain=mqttseg-2f7706cd-from connection-state=invalid action=drop
add chain=mqttseg-2f7706cd-from action=jump jump-target=mqttseg-2f7706cd-id0
add chain=mqttseg-2f7706cd-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:01 src-address=10.9.0.11 action=jump jump-target=mqttseg-2f7706cd-s0
add chain=mqttseg-2f7706cd-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:02 src-address=10.9.0.12 action=jump jump-target=mqttseg-2f7706cd-s0
add chain=mqttseg-2f7706cd-id0 in-interface="br-iot" src-mac-address=02:BB:00:00:00:01 src-address=10.9.0.21 action=jump jump-target=mqttseg-2f7706cd-s1
add chain=mqttseg-2f7706cd-id0 action=jump jump-target=mqttseg-2f7706cd-unknown
add chain=mqttseg-2f7706cd-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-2f7706cd-unknown action=drop
add chain=mqttseg-2f7706cd-to protocol=icmp icmp-options=3:0-255 connection-state=related action=accept
add chain=mqttseg-2f7706cd-to src-address-list=mqttseg-2f7706cd-adm action=accept
add chain=mqttseg-2f7706cd-to dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-peers
add chain=mqttseg-2f7706cd-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-2f7706cd-to action=drop
add chain=mqttseg-2f7706cd-peers dst-address-list=mqttseg-2f7706cd-g0 action=jump jump-target=mqttseg-2f7706cd-r0
add chain=mqttseg-2f7706cd-peers dst-address-list=mqttseg-2f7706cd-g1 action=jump jump-target=mqttseg-2f7706cd-r1
add chain=mqttseg-2f7706cd-peers action=drop
add chain=mqttseg-2f7706cd-s0 protocol=tcp dst-address=10.9.0.21/32 dst-port=443 action=accept
add chain=mqttseg-2f7706cd-s0 connection-state=established,related dst-address-list=mqttseg-2f7706cd-adm action=accept
add chain=mqttseg-2f7706cd-s0 connection-state=established,related dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-peers
add chain=mqttseg-2f7706cd-s0 dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-d0
add chain=mqttseg-2f7706cd-s0 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-2f7706cd-s0 protocol=tcp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-2f7706cd-s0 protocol=udp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-2f7706cd-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-2f7706cd-s0 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-2f7706cd-s0 action=jump jump-target=mqttseg-2f7706cd-d0
add chain=mqttseg-2f7706cd-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-2f7706cd-d0 action=drop
add chain=mqttseg-2f7706cd-r0 connection-state=established,related protocol=tcp src-address=10.9.0.21/32 src-port=443 action=accept
add chain=mqttseg-2f7706cd-r0 connection-state=established,related protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-2f7706cd-dev action=accept
add chain=mqttseg-2f7706cd-r0 connection-state=established,related protocol=tcp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-2f7706cd-dev action=accept
add chain=mqttseg-2f7706cd-r0 connection-state=established,related protocol=udp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-2f7706cd-dev action=accept
add chain=mqttseg-2f7706cd-r0 connection-state=established,related protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-2f7706cd-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-2f7706cd-r0 action=drop
add chain=mqttseg-2f7706cd-s1 connection-state=established,related dst-address-list=mqttseg-2f7706cd-adm action=accept
add chain=mqttseg-2f7706cd-s1 connection-state=established,related dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-peers
add chain=mqttseg-2f7706cd-s1 dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-d1
add chain=mqttseg-2f7706cd-s1 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-2f7706cd-s1 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-2f7706cd-s1 action=jump jump-target=mqttseg-2f7706cd-d1
add chain=mqttseg-2f7706cd-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras"
add chain=mqttseg-2f7706cd-d1 action=drop
add chain=mqttseg-2f7706cd-r1 connection-state=established,related protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-2f7706cd-dev action=accept
add chain=mqttseg-2f7706cd-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras to"
add chain=mqttseg-2f7706cd-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-2f7706cd-out comment="mqttseg jump 2f7706cd" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-2f7706cd-in comment="mqttseg jump 2f7706cd" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-2f7706cd-to comment="mqttseg jump 2f7706cd" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-2f7706cd-from comment="mqttseg jump 2f7706cd" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump 2f7706cd"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-2f7706cd-")]
/ip firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-2f7706cd-")]
/ipv6 firewall filter
:if ([:len [find comment="mqttseg jump 2f7706cd"]] > 0) do={:error "plan 2f7706cd is loaded already"}
remove [find chain~"^mqttseg-2f7706cd-"]
/ipv6 firewall address-list
remove [find list~"^mqttseg-2f7706cd-"]
add list=mqttseg-2f7706cd-dev address=fd00:9::11 comment="mqttseg a1"
add list=mqttseg-2f7706cd-g0 address=fd00:9::11 comment="mqttseg a1"
add list=mqttseg-2f7706cd-dev address=fd00:9::12 comment="mqttseg a2"
add list=mqttseg-2f7706cd-g0 address=fd00:9::12 comment="mqttseg a2"
add list=mqttseg-2f7706cd-dev address=fd00:9::21 comment="mqttseg b1"
add list=mqttseg-2f7706cd-g1 address=fd00:9::21 comment="mqttseg b1"
add list=mqttseg-2f7706cd-adm address=2001:db8:1::40/128 comment="mqttseg admin"
/ipv6 firewall filter
add chain=mqttseg-2f7706cd-in protocol=udp src-port=546 dst-port=547 action=return
add chain=mqttseg-2f7706cd-in protocol=icmpv6 icmp-options=133:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-2f7706cd-in protocol=icmpv6 icmp-options=135:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-2f7706cd-in protocol=icmpv6 icmp-options=136:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-2f7706cd-in protocol=icmpv6 icmp-options=131:0-255 action=return
add chain=mqttseg-2f7706cd-in protocol=icmpv6 icmp-options=132:0-255 action=return
add chain=mqttseg-2f7706cd-in protocol=icmpv6 icmp-options=143:0-255 action=return
add chain=mqttseg-2f7706cd-in action=jump jump-target=mqttseg-2f7706cd-from
add chain=mqttseg-2f7706cd-out protocol=udp src-port=547 dst-port=546 action=return
add chain=mqttseg-2f7706cd-out protocol=icmpv6 action=return
add chain=mqttseg-2f7706cd-out action=jump jump-target=mqttseg-2f7706cd-to
add chain=mqttseg-2f7706cd-from connection-state=invalid action=drop
add chain=mqttseg-2f7706cd-from action=jump jump-target=mqttseg-2f7706cd-id0
add chain=mqttseg-2f7706cd-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:01 src-address=fd00:9::11 action=jump jump-target=mqttseg-2f7706cd-s0
add chain=mqttseg-2f7706cd-id0 in-interface="br-iot" src-mac-address=02:AA:00:00:00:02 src-address=fd00:9::12 action=jump jump-target=mqttseg-2f7706cd-s0
add chain=mqttseg-2f7706cd-id0 in-interface="br-iot" src-mac-address=02:BB:00:00:00:01 src-address=fd00:9::21 action=jump jump-target=mqttseg-2f7706cd-s1
add chain=mqttseg-2f7706cd-id0 action=jump jump-target=mqttseg-2f7706cd-unknown
add chain=mqttseg-2f7706cd-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-2f7706cd-unknown action=drop
add chain=mqttseg-2f7706cd-to protocol=icmpv6 icmp-options=1:0-255 connection-state=related action=accept
add chain=mqttseg-2f7706cd-to protocol=icmpv6 icmp-options=2:0-255 connection-state=related action=accept
add chain=mqttseg-2f7706cd-to src-address-list=mqttseg-2f7706cd-adm action=accept
add chain=mqttseg-2f7706cd-to dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-peers
add chain=mqttseg-2f7706cd-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-2f7706cd-to action=drop
add chain=mqttseg-2f7706cd-peers dst-address-list=mqttseg-2f7706cd-g0 action=jump jump-target=mqttseg-2f7706cd-r0
add chain=mqttseg-2f7706cd-peers dst-address-list=mqttseg-2f7706cd-g1 action=jump jump-target=mqttseg-2f7706cd-r1
add chain=mqttseg-2f7706cd-peers action=drop
add chain=mqttseg-2f7706cd-s0 protocol=tcp dst-address=fd00:9::21/128 dst-port=443 action=accept
add chain=mqttseg-2f7706cd-s0 connection-state=established,related dst-address-list=mqttseg-2f7706cd-adm action=accept
add chain=mqttseg-2f7706cd-s0 connection-state=established,related dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-peers
add chain=mqttseg-2f7706cd-s0 dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-d0
add chain=mqttseg-2f7706cd-s0 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-2f7706cd-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-2f7706cd-s0 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-2f7706cd-s0 action=jump jump-target=mqttseg-2f7706cd-d0
add chain=mqttseg-2f7706cd-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-2f7706cd-d0 action=drop
add chain=mqttseg-2f7706cd-r0 connection-state=established,related protocol=tcp src-address=fd00:9::21/128 src-port=443 action=accept
add chain=mqttseg-2f7706cd-r0 connection-state=established,related protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-2f7706cd-dev action=accept
add chain=mqttseg-2f7706cd-r0 connection-state=established,related protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-2f7706cd-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-2f7706cd-r0 action=drop
add chain=mqttseg-2f7706cd-s1 connection-state=established,related dst-address-list=mqttseg-2f7706cd-adm action=accept
add chain=mqttseg-2f7706cd-s1 connection-state=established,related dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-peers
add chain=mqttseg-2f7706cd-s1 dst-address-list=mqttseg-2f7706cd-dev action=jump jump-target=mqttseg-2f7706cd-d1
add chain=mqttseg-2f7706cd-s1 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-2f7706cd-s1 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-2f7706cd-s1 action=jump jump-target=mqttseg-2f7706cd-d1
add chain=mqttseg-2f7706cd-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras"
add chain=mqttseg-2f7706cd-d1 action=drop
add chain=mqttseg-2f7706cd-r1 connection-state=established,related protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-2f7706cd-dev action=accept
add chain=mqttseg-2f7706cd-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras to"
add chain=mqttseg-2f7706cd-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-2f7706cd-out comment="mqttseg jump 2f7706cd" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-2f7706cd-in comment="mqttseg jump 2f7706cd" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-2f7706cd-to comment="mqttseg jump 2f7706cd" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-2f7706cd-from comment="mqttseg jump 2f7706cd" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump 2f7706cd"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-2f7706cd-")]
/ipv6 firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-2f7706cd-")]
