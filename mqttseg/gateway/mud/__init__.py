"""The plan as MUD files (RFC 8520): what each model of device needs, for any MUD manager.

Owns one file per model, and the proof that it is one: our own lint, and the IETF's YANG modules by way of yangson.
Which device is of which model, and where the broker is, is the MUD manager's to know.
"""
