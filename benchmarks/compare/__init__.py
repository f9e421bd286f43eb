"""``make bench-brokers``: ours beside other brokers: the same rights, certificates and load, in turns."""
