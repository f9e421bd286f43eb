"""MQTT 3.1.1 packets, sans-I/O: bytes in, packets out, and back.

Owns the wire format of MQTT 3.1.1 and its limits: whatever this package yields has a legal shape,
and nobody past it validates again. Refuses to know policy, identities, sessions, sockets and clocks; the
order of packets (CONNECT first, and once) is the guard's to judge.
"""
