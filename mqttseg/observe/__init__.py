"""What happened: events of the running broker and where they go.

Owns the shape of an event and its outlets (log, audit file). Refuses to decide anything, and to know
sockets, policy or certificates: whoever saw the event filled it in.
"""
