"""The plan as access lists of network vendors, written by aerleon.

Owns what is asked of aerleon, and the proof that it is asked nothing it would get wrong: its mistakes must not reach a
user (checks.py names them). Aerleon knows neither MAC addresses nor ports of a switch.
"""
