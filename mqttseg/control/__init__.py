"""How a running broker is operated: its local API on a Unix socket in the state directory, and the client of it.

Owns HTTP, the socket and who may connect to it. Refuses to know the broker and the guard: what it can be asked to do
is ``Operations``, which the broker implements and ``mqttseg run`` joins to it. Importing this package loads nothing.
"""
