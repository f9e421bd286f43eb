"""The plan as iptables, ip6tables and ipset.

Owns the shape of it for kernels without nftables. The order of judgement is that of nftables/inet.py, but no flow is
ever taken for granted: each packet is judged again, so that a withdrawn permission ends a live flow without a mark.
"""
