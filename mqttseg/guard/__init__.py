"""Where the policy is enforced: between each device's TLS connection and whatever routes its messages.

Owns the sockets, the admission of a connection, and the judging of every packet in both directions, under the
ten rules of enforcement (docs/enforcement.md), which code and tests cite by number:

1.  Identity is this connection's certificate, never the client id, user name or a stored session.
2.  CONNECT is judged before the backend sees a byte of it.
3.  The will is judged at CONNECT, and again when it fires.
4.  PUBLISH outside the rights is acknowledged and not forwarded, and always an event.
5.  SUBSCRIBE is judged filter by filter, by containment.
6.  Every outgoing PUBLISH must match a subscription that this session holds and a right that its device has now.
7.  A change of policy, revocation or expiry acts on live connections.
8.  Every resource a peer can use up has a limit.
9.  Anything unexpected denies, and ends one connection only.
10. Nothing that is allowed is lost by the guard.

Refuses to decide what is allowed (that is policy's), and to know what stands behind it (see backend.py).
"""
