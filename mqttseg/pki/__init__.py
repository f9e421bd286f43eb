"""WHO IS ASKING: the authority, device certificates, identity from a certificate, revocation.

Owns everything that signs, reads or judges a certificate. Refuses to know topics, segments, MQTT and
sockets: it says which device is asking, never what that device may do. Start at ``identity.py``.
"""
