"""The load generator: what is asked of it (plan), the processes that do it (worker, line), and who leads them (drive).

It knows MQTT and TLS and nothing of any broker. What it measures is decided elsewhere.
"""
