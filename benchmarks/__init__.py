"""What mqttseg costs, measured: every figure of docs/performance.md, as a ratio to something in the same run.

Owns the sites, brokers and load that measuring takes. Decides nothing about right and wrong: the tests do. All of
it stays on loopback, and every count and time is bounded.
"""
