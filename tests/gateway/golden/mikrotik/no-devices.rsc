# Made by `mqttseg gateway render mikrotik` from plan c6aeddc2. Change the policy, not this file.
# RouterOS 7. Take safe mode first (Ctrl-X), /import this file, look, and leave safe mode to keep it.
/ip firewall filter
:if ([:len [find comment="mqttseg jump c6aeddc2"]] > 0) do={:error "plan c6aeddc2 is loaded already"}
remove [find chain~"^mqttseg-c6aeddc2-"]
/ip firewall address-list
remove [find list~"^mqttseg-c6aeddc2-"]
add list=mqttseg-c6aeddc2-adm address=198.51.100.40/32 comment="mqttseg admin"
/ip firewall filter
add chain=mqttseg-c6aeddc2-in protocol=udp src-port=68 dst-port=67 action=return
add chain=mqttseg-c6aeddc2-in action=jump jump-target=mqttseg-c6aeddc2-from
add chain=mqttseg-c6aeddc2-out protocol=udp src-port=67 dst-port=68 action=return
add chain=mqttseg-c6aeddc2-out protocol=icmp action=return
add chain=mqttseg-c6aeddc2-out protocol=igmp action=return
add chain=mqttseg-c6aeddc2-out action=jump jump-target=mqttseg-c6aeddc2-to
add chain=mqttseg-c6aeddc2-from connection-state=invalid action=drop
add chain=mqttseg-c6aeddc2-from action=jump jump-target=mqttseg-c6aeddc2-id0
add chain=mqttseg-c6aeddc2-id0 action=jump jump-target=mqttseg-c6aeddc2-unknown
add chain=mqttseg-c6aeddc2-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-c6aeddc2-unknown action=drop
add chain=mqttseg-c6aeddc2-to protocol=icmp icmp-options=3:0-255 connection-state=related action=accept
add chain=mqttseg-c6aeddc2-to src-address-list=mqttseg-c6aeddc2-adm action=accept
add chain=mqttseg-c6aeddc2-to dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-peers
add chain=mqttseg-c6aeddc2-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-c6aeddc2-to action=drop
add chain=mqttseg-c6aeddc2-peers dst-address-list=mqttseg-c6aeddc2-g0 action=jump jump-target=mqttseg-c6aeddc2-r0
add chain=mqttseg-c6aeddc2-peers dst-address-list=mqttseg-c6aeddc2-g1 action=jump jump-target=mqttseg-c6aeddc2-r1
add chain=mqttseg-c6aeddc2-peers action=drop
add chain=mqttseg-c6aeddc2-s0 connection-state=established,related dst-address-list=mqttseg-c6aeddc2-adm action=accept
add chain=mqttseg-c6aeddc2-s0 connection-state=established,related dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-peers
add chain=mqttseg-c6aeddc2-s0 dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-d0
add chain=mqttseg-c6aeddc2-s0 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-c6aeddc2-s0 protocol=tcp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-c6aeddc2-s0 protocol=udp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-c6aeddc2-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-c6aeddc2-s0 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-c6aeddc2-s0 action=jump jump-target=mqttseg-c6aeddc2-d0
add chain=mqttseg-c6aeddc2-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-c6aeddc2-d0 action=drop
add chain=mqttseg-c6aeddc2-r0 connection-state=established,related protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-c6aeddc2-dev action=accept
add chain=mqttseg-c6aeddc2-r0 connection-state=established,related protocol=tcp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-c6aeddc2-dev action=accept
add chain=mqttseg-c6aeddc2-r0 connection-state=established,related protocol=udp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-c6aeddc2-dev action=accept
add chain=mqttseg-c6aeddc2-r0 connection-state=established,related protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-c6aeddc2-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-c6aeddc2-r0 action=drop
add chain=mqttseg-c6aeddc2-s1 connection-state=established,related dst-address-list=mqttseg-c6aeddc2-adm action=accept
add chain=mqttseg-c6aeddc2-s1 connection-state=established,related dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-peers
add chain=mqttseg-c6aeddc2-s1 dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-d1
add chain=mqttseg-c6aeddc2-s1 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-c6aeddc2-s1 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-c6aeddc2-s1 action=jump jump-target=mqttseg-c6aeddc2-d1
add chain=mqttseg-c6aeddc2-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras"
add chain=mqttseg-c6aeddc2-d1 action=drop
add chain=mqttseg-c6aeddc2-r1 connection-state=established,related protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-c6aeddc2-dev action=accept
add chain=mqttseg-c6aeddc2-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras to"
add chain=mqttseg-c6aeddc2-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-c6aeddc2-out comment="mqttseg jump c6aeddc2" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-c6aeddc2-in comment="mqttseg jump c6aeddc2" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-c6aeddc2-to comment="mqttseg jump c6aeddc2" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-c6aeddc2-from comment="mqttseg jump c6aeddc2" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump c6aeddc2"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-c6aeddc2-")]
/ip firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-c6aeddc2-")]
/ipv6 firewall filter
:if ([:len [find comment="mqttseg jump c6aeddc2"]] > 0) do={:error "plan c6aeddc2 is loaded already"}
remove [find chain~"^mqttseg-c6aeddc2-"]
/ipv6 firewall address-list
remove [find list~"^mqttseg-c6aeddc2-"]
add list=mqttseg-c6aeddc2-adm address=2001:db8:1::40/128 comment="mqttseg admin"
/ipv6 firewall filter
add chain=mqttseg-c6aeddc2-in protocol=udp src-port=546 dst-port=547 action=return
add chain=mqttseg-c6aeddc2-in protocol=icmpv6 icmp-options=133:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-c6aeddc2-in protocol=icmpv6 icmp-options=135:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-c6aeddc2-in protocol=icmpv6 icmp-options=136:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-c6aeddc2-in protocol=icmpv6 icmp-options=131:0-255 action=return
add chain=mqttseg-c6aeddc2-in protocol=icmpv6 icmp-options=132:0-255 action=return
add chain=mqttseg-c6aeddc2-in protocol=icmpv6 icmp-options=143:0-255 action=return
add chain=mqttseg-c6aeddc2-in action=jump jump-target=mqttseg-c6aeddc2-from
add chain=mqttseg-c6aeddc2-out protocol=udp src-port=547 dst-port=546 action=return
add chain=mqttseg-c6aeddc2-out protocol=icmpv6 action=return
add chain=mqttseg-c6aeddc2-out action=jump jump-target=mqttseg-c6aeddc2-to
add chain=mqttseg-c6aeddc2-from connection-state=invalid action=drop
add chain=mqttseg-c6aeddc2-from action=jump jump-target=mqttseg-c6aeddc2-id0
add chain=mqttseg-c6aeddc2-id0 action=jump jump-target=mqttseg-c6aeddc2-unknown
add chain=mqttseg-c6aeddc2-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-c6aeddc2-unknown action=drop
add chain=mqttseg-c6aeddc2-to protocol=icmpv6 icmp-options=1:0-255 connection-state=related action=accept
add chain=mqttseg-c6aeddc2-to protocol=icmpv6 icmp-options=2:0-255 connection-state=related action=accept
add chain=mqttseg-c6aeddc2-to src-address-list=mqttseg-c6aeddc2-adm action=accept
add chain=mqttseg-c6aeddc2-to dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-peers
add chain=mqttseg-c6aeddc2-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-c6aeddc2-to action=drop
add chain=mqttseg-c6aeddc2-peers dst-address-list=mqttseg-c6aeddc2-g0 action=jump jump-target=mqttseg-c6aeddc2-r0
add chain=mqttseg-c6aeddc2-peers dst-address-list=mqttseg-c6aeddc2-g1 action=jump jump-target=mqttseg-c6aeddc2-r1
add chain=mqttseg-c6aeddc2-peers action=drop
add chain=mqttseg-c6aeddc2-s0 connection-state=established,related dst-address-list=mqttseg-c6aeddc2-adm action=accept
add chain=mqttseg-c6aeddc2-s0 connection-state=established,related dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-peers
add chain=mqttseg-c6aeddc2-s0 dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-d0
add chain=mqttseg-c6aeddc2-s0 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-c6aeddc2-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-c6aeddc2-s0 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-c6aeddc2-s0 action=jump jump-target=mqttseg-c6aeddc2-d0
add chain=mqttseg-c6aeddc2-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-c6aeddc2-d0 action=drop
add chain=mqttseg-c6aeddc2-r0 connection-state=established,related protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-c6aeddc2-dev action=accept
add chain=mqttseg-c6aeddc2-r0 connection-state=established,related protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-c6aeddc2-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-c6aeddc2-r0 action=drop
add chain=mqttseg-c6aeddc2-s1 connection-state=established,related dst-address-list=mqttseg-c6aeddc2-adm action=accept
add chain=mqttseg-c6aeddc2-s1 connection-state=established,related dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-peers
add chain=mqttseg-c6aeddc2-s1 dst-address-list=mqttseg-c6aeddc2-dev action=jump jump-target=mqttseg-c6aeddc2-d1
add chain=mqttseg-c6aeddc2-s1 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-c6aeddc2-s1 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-c6aeddc2-s1 action=jump jump-target=mqttseg-c6aeddc2-d1
add chain=mqttseg-c6aeddc2-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras"
add chain=mqttseg-c6aeddc2-d1 action=drop
add chain=mqttseg-c6aeddc2-r1 connection-state=established,related protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-c6aeddc2-dev action=accept
add chain=mqttseg-c6aeddc2-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras to"
add chain=mqttseg-c6aeddc2-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-c6aeddc2-out comment="mqttseg jump c6aeddc2" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-c6aeddc2-in comment="mqttseg jump c6aeddc2" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-c6aeddc2-to comment="mqttseg jump c6aeddc2" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-c6aeddc2-from comment="mqttseg jump c6aeddc2" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump c6aeddc2"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-c6aeddc2-")]
/ipv6 firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-c6aeddc2-")]
