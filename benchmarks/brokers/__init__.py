"""Starts brokers, each in a process of its own, on loopback, with the certificates and rights of a site.

Every broker gets what its own users would write: the same rights, mutual TLS 1.3, its defaults for everything else
but the bound of a queue, which is the same for all.
"""
