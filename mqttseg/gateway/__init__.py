"""The same policy for the network: what a gateway must let through so that the segments hold below MQTT, too.

Owns the neutral plan and its renderers, and loading nftables safely. Refuses to know MQTT topics, the running broker
and its sessions: who may reach what on the network follows from policy.yaml and devices.yaml alone.
"""
