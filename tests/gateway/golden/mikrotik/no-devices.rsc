# Made by `mqttseg gateway render mikrotik` from plan f468e922. Change the policy, not this file.
# RouterOS 7. Take safe mode first (Ctrl-X), /import this file, look, and leave safe mode to keep it.
/ip firewall filter
:if ([:len [find comment="mqttseg jump f468e922"]] > 0) do={:error "plan f468e922 is loaded already"}
remove [find chain~"^mqttseg-f468e922-"]
/ip firewall address-list
remove [find list~"^mqttseg-f468e922-"]
add list=mqttseg-f468e922-adm address=198.51.100.40/32 comment="mqttseg admin"
/ip firewall filter
add chain=mqttseg-f468e922-in protocol=udp src-port=68 dst-port=67 action=return
add chain=mqttseg-f468e922-in action=jump jump-target=mqttseg-f468e922-from
add chain=mqttseg-f468e922-out protocol=udp src-port=67 dst-port=68 action=return
add chain=mqttseg-f468e922-out protocol=icmp action=return
add chain=mqttseg-f468e922-out protocol=igmp action=return
add chain=mqttseg-f468e922-out action=jump jump-target=mqttseg-f468e922-to
add chain=mqttseg-f468e922-from connection-state=invalid action=drop
add chain=mqttseg-f468e922-from action=jump jump-target=mqttseg-f468e922-id0
add chain=mqttseg-f468e922-id0 action=jump jump-target=mqttseg-f468e922-unknown
add chain=mqttseg-f468e922-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-f468e922-unknown action=drop
add chain=mqttseg-f468e922-to protocol=icmp icmp-options=3:0-255 connection-state=related action=accept
add chain=mqttseg-f468e922-to src-address-list=mqttseg-f468e922-adm action=accept
add chain=mqttseg-f468e922-to dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-peers
add chain=mqttseg-f468e922-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-f468e922-to action=drop
add chain=mqttseg-f468e922-peers dst-address-list=mqttseg-f468e922-g0 action=jump jump-target=mqttseg-f468e922-r0
add chain=mqttseg-f468e922-peers dst-address-list=mqttseg-f468e922-g1 action=jump jump-target=mqttseg-f468e922-r1
add chain=mqttseg-f468e922-peers action=drop
add chain=mqttseg-f468e922-answers action=log limit=5,10:packet log-prefix="mqttseg DENY - answer"
add chain=mqttseg-f468e922-answers action=drop
add chain=mqttseg-f468e922-s0 connection-state=established dst-address-list=mqttseg-f468e922-adm action=accept
add chain=mqttseg-f468e922-s0 connection-state=established dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-answers
add chain=mqttseg-f468e922-s0 dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-d0
add chain=mqttseg-f468e922-s0 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-f468e922-s0 protocol=tcp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-f468e922-s0 protocol=udp dst-address=192.0.2.53/32 dst-port=53 action=accept
add chain=mqttseg-f468e922-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-f468e922-s0 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-f468e922-s0 action=jump jump-target=mqttseg-f468e922-d0
add chain=mqttseg-f468e922-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-f468e922-d0 action=drop
add chain=mqttseg-f468e922-r0 connection-state=established protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-f468e922-dev action=accept
add chain=mqttseg-f468e922-r0 connection-state=established protocol=tcp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-f468e922-dev action=accept
add chain=mqttseg-f468e922-r0 connection-state=established protocol=udp src-address=192.0.2.53/32 src-port=53 src-address-list=!mqttseg-f468e922-dev action=accept
add chain=mqttseg-f468e922-r0 connection-state=established protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-f468e922-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-f468e922-r0 action=drop
add chain=mqttseg-f468e922-s1 connection-state=established dst-address-list=mqttseg-f468e922-adm action=accept
add chain=mqttseg-f468e922-s1 connection-state=established dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-answers
add chain=mqttseg-f468e922-s1 dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-d1
add chain=mqttseg-f468e922-s1 protocol=tcp dst-address=192.0.2.10/32 dst-port=8883 action=accept
add chain=mqttseg-f468e922-s1 protocol=icmp dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-f468e922-s1 action=jump jump-target=mqttseg-f468e922-d1
add chain=mqttseg-f468e922-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras"
add chain=mqttseg-f468e922-d1 action=drop
add chain=mqttseg-f468e922-r1 connection-state=established protocol=tcp src-address=192.0.2.10/32 src-port=8883 src-address-list=!mqttseg-f468e922-dev action=accept
add chain=mqttseg-f468e922-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras to"
add chain=mqttseg-f468e922-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-f468e922-out comment="mqttseg jump f468e922" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-f468e922-in comment="mqttseg jump f468e922" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-f468e922-to comment="mqttseg jump f468e922" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-f468e922-from comment="mqttseg jump f468e922" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump f468e922"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-f468e922-")]
/ip firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-f468e922-")]
/ipv6 firewall filter
:if ([:len [find comment="mqttseg jump f468e922"]] > 0) do={:error "plan f468e922 is loaded already"}
remove [find chain~"^mqttseg-f468e922-"]
/ipv6 firewall address-list
remove [find list~"^mqttseg-f468e922-"]
add list=mqttseg-f468e922-adm address=2001:db8:1::40/128 comment="mqttseg admin"
/ipv6 firewall filter
add chain=mqttseg-f468e922-in protocol=udp src-port=546 dst-port=547 action=return
add chain=mqttseg-f468e922-in protocol=icmpv6 icmp-options=133:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-f468e922-in protocol=icmpv6 icmp-options=135:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-f468e922-in protocol=icmpv6 icmp-options=136:0-255 hop-limit=equal:255 action=return
add chain=mqttseg-f468e922-in protocol=icmpv6 icmp-options=131:0-255 action=return
add chain=mqttseg-f468e922-in protocol=icmpv6 icmp-options=132:0-255 action=return
add chain=mqttseg-f468e922-in protocol=icmpv6 icmp-options=143:0-255 action=return
add chain=mqttseg-f468e922-in action=jump jump-target=mqttseg-f468e922-from
add chain=mqttseg-f468e922-out protocol=udp src-port=547 dst-port=546 action=return
add chain=mqttseg-f468e922-out protocol=icmpv6 action=return
add chain=mqttseg-f468e922-out action=jump jump-target=mqttseg-f468e922-to
add chain=mqttseg-f468e922-from connection-state=invalid action=drop
add chain=mqttseg-f468e922-from action=jump jump-target=mqttseg-f468e922-id0
add chain=mqttseg-f468e922-id0 action=jump jump-target=mqttseg-f468e922-unknown
add chain=mqttseg-f468e922-unknown action=log limit=5,10:packet log-prefix="mqttseg UNKNOWN -"
add chain=mqttseg-f468e922-unknown action=drop
add chain=mqttseg-f468e922-to protocol=icmpv6 icmp-options=1:0-255 connection-state=related action=accept
add chain=mqttseg-f468e922-to protocol=icmpv6 icmp-options=2:0-255 connection-state=related action=accept
add chain=mqttseg-f468e922-to src-address-list=mqttseg-f468e922-adm action=accept
add chain=mqttseg-f468e922-to dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-peers
add chain=mqttseg-f468e922-to action=log limit=5,10:packet log-prefix="mqttseg DENY - to"
add chain=mqttseg-f468e922-to action=drop
add chain=mqttseg-f468e922-peers dst-address-list=mqttseg-f468e922-g0 action=jump jump-target=mqttseg-f468e922-r0
add chain=mqttseg-f468e922-peers dst-address-list=mqttseg-f468e922-g1 action=jump jump-target=mqttseg-f468e922-r1
add chain=mqttseg-f468e922-peers action=drop
add chain=mqttseg-f468e922-answers action=log limit=5,10:packet log-prefix="mqttseg DENY - answer"
add chain=mqttseg-f468e922-answers action=drop
add chain=mqttseg-f468e922-s0 connection-state=established dst-address-list=mqttseg-f468e922-adm action=accept
add chain=mqttseg-f468e922-s0 connection-state=established dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-answers
add chain=mqttseg-f468e922-s0 dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-d0
add chain=mqttseg-f468e922-s0 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-f468e922-s0 protocol=udp dst-port=123 dst-address-type=local action=accept
add chain=mqttseg-f468e922-s0 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-f468e922-s0 action=jump jump-target=mqttseg-f468e922-d0
add chain=mqttseg-f468e922-d0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac"
add chain=mqttseg-f468e922-d0 action=drop
add chain=mqttseg-f468e922-r0 connection-state=established protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-f468e922-dev action=accept
add chain=mqttseg-f468e922-r0 connection-state=established protocol=udp src-port=123 src-address-type=local action=accept
add chain=mqttseg-f468e922-r0 action=log limit=5,10:packet log-prefix="mqttseg DENY hvac to"
add chain=mqttseg-f468e922-r0 action=drop
add chain=mqttseg-f468e922-s1 connection-state=established dst-address-list=mqttseg-f468e922-adm action=accept
add chain=mqttseg-f468e922-s1 connection-state=established dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-answers
add chain=mqttseg-f468e922-s1 dst-address-list=mqttseg-f468e922-dev action=jump jump-target=mqttseg-f468e922-d1
add chain=mqttseg-f468e922-s1 protocol=tcp dst-address=2001:db8::10/128 dst-port=8883 action=accept
add chain=mqttseg-f468e922-s1 protocol=icmpv6 dst-address-type=local limit=20,20:packet action=accept
add chain=mqttseg-f468e922-s1 action=jump jump-target=mqttseg-f468e922-d1
add chain=mqttseg-f468e922-d1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras"
add chain=mqttseg-f468e922-d1 action=drop
add chain=mqttseg-f468e922-r1 connection-state=established protocol=tcp src-address=2001:db8::10/128 src-port=8883 src-address-list=!mqttseg-f468e922-dev action=accept
add chain=mqttseg-f468e922-r1 action=log limit=5,10:packet log-prefix="mqttseg DENY cameras to"
add chain=mqttseg-f468e922-r1 action=drop
add chain=output out-interface="br-iot" action=jump jump-target=mqttseg-f468e922-out comment="mqttseg jump f468e922" place-before=[:pick [find dynamic=no] 0]
add chain=input in-interface="br-iot" action=jump jump-target=mqttseg-f468e922-in comment="mqttseg jump f468e922" place-before=[:pick [find dynamic=no] 0]
add chain=forward out-interface="br-iot" action=jump jump-target=mqttseg-f468e922-to comment="mqttseg jump f468e922" place-before=[:pick [find dynamic=no] 0]
add chain=forward in-interface="br-iot" action=jump jump-target=mqttseg-f468e922-from comment="mqttseg jump f468e922" place-before=[:pick [find dynamic=no] 0]
remove [find comment~"^mqttseg jump " and comment!="mqttseg jump f468e922"]
remove [find chain~"^mqttseg-" and !(chain~"^mqttseg-f468e922-")]
/ipv6 firewall address-list
remove [find list~"^mqttseg-" and !(list~"^mqttseg-f468e922-")]
