"""The host: amqtt, and how the guard and whatever serves sessions live in it.

The only package that imports amqtt. Owns the plugin, the adapters between guard and broker, and the running
service (files read, signals, start and stop). Refuses to decide what is allowed.
"""
