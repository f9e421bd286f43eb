"""The demo: a throw-away site, the real broker, real devices, and what became of what they tried.

Owns the scenario and its table. Refuses to decide: what should happen is asked of the policy, what did happen of the
devices, and why of the broker's own events.
"""
