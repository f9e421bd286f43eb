"""What is allowed.

Owns the policy language, topic algebra, rights and decisions. Pure: values in, values out; only ``load_policy`` reads
files. Refuses to know clocks (time is a parameter), sockets, packets, certificates and brokers.

Start at ``decide.py``: its docstring numbers the rules. ``topics.py`` is the algebra of single filters, ``trie.py`` and
``cover.py`` that of unions; ``compiled.py`` turns a ``Policy`` (model.py) into the ``Rights`` of each role.
"""

from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.decide import Decision, decide
from mqttseg.policy.membership import Placement
from mqttseg.policy.model import Action, Policy
from mqttseg.policy.rights import Rights

__all__ = ["Action", "Compiled", "Decision", "Placement", "Policy", "Rights", "compile_policy", "decide"]
