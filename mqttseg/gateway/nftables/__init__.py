"""The plan as nftables: own tables only, loaded in one transaction.

Owns the ruleset's shape: identity maps before any shortcut, a policy revision in the ct mark, counters by name. Refuses
to know how it gets into the kernel.
"""
