"""policy.yaml and devices.yaml to one checked Policy, or every problem of both in one run.

Owns the order of the checks, and the rule that a file with any problem gives no policy at all. What each check knows:
document.py (YAML), shape.py with schema.py (keys and kinds of values), references.py (names), conflicts.py (double
claims), territory.py (rights on foreign ground). Does not run the policy's own tests: check.py does, for a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mqttseg.errors import ConfigurationError, Problem
from mqttseg.policy.build import build_devices, build_policy
from mqttseg.policy.conflicts import device_conflicts, member_conflicts, namespace_conflicts
from mqttseg.policy.document import Document, Node, Value, read_document
from mqttseg.policy.membership import Membership
from mqttseg.policy.model import Device, Policy
from mqttseg.policy.references import References
from mqttseg.policy.schema import DevicesFile, PolicyFile
from mqttseg.policy.shape import Fitted, fit
from mqttseg.policy.territory import Territory

# What a root key that is missing or unusable is taken for, only to find further problems.
_POLICY_STAND_INS: dict[str, Value] = {
    "version": 1,
    "trust_domain": "unknown",
    "segments": {"unknown": {}},
}
_DEVICES_STAND_INS: dict[str, Value] = {"version": 1}


def load_policy(path: Path, devices: Path | None = None) -> Policy:
    """Read a policy, and the inventory if there is one. Raises ConfigurationError with all problems of both files."""
    return policy_of(read_document(path), read_document(devices) if devices is not None else None)


def policy_of(document: Document, devices: Document | None = None) -> Policy:
    """The policy that parsed files hold. Raises ConfigurationError with all problems, in file order."""
    inventory = _Inventory.of(devices)
    problems = [*document.problems, *inventory.problems]
    policy: Policy | None = None
    if document.root is not None:
        fitted = fit(document.root, PolicyFile, _POLICY_STAND_INS, document.problems)
        problems += fitted.problems
        if fitted.model is not None:
            policy = build_policy(fitted.model, fitted.node, inventory.devices)
            problems += _sense_problems(policy, References(policy, fitted), inventory.node)
    if problems or policy is None:
        raise ConfigurationError(_in_order(problems, document.file))
    return policy


@dataclass(frozen=True, slots=True)
class _Inventory:
    """What devices.yaml holds."""

    node: Node | None = None
    devices: dict[str, Device] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, document: Document | None) -> _Inventory:
        if document is None or document.root is None:
            return cls(problems=document.problems if document is not None else ())
        fitted: Fitted[DevicesFile] = fit(document.root, DevicesFile, _DEVICES_STAND_INS, document.problems)
        devices = build_devices(fitted.model, fitted.node) if fitted.model is not None else {}
        return cls(fitted.node, devices, (*document.problems, *fitted.problems, *device_conflicts(devices)))


def _sense_problems(policy: Policy, references: References, node: Node | None) -> Iterator[Problem]:
    """Problems between values. ``node`` is the root of devices.yaml."""
    yield from references.problems()
    placed, lost = _placed(policy, references, node)
    yield from lost
    membership = Membership(placed)
    yield from member_conflicts(placed)
    yield from namespace_conflicts(placed, membership, references.knows_namespace)
    yield from Territory(placed, membership, references.knows_namespace).problems()


def _placed(policy: Policy, references: References, node: Node | None) -> tuple[Policy, list[Problem]]:
    """The policy without the inventory entries that name no place, and their problems.

    An entry that names a role alone takes its segment from the members lists: those are needed to judge it.
    """
    if node is None:
        return policy, []
    problems: list[Problem | None] = []
    with_segment = {d.id: d for d in policy.devices.values() if d.segment or not d.role}
    kept = {key: device for key, device in with_segment.items() if references.is_placeable(device)}
    membership = Membership(replace(policy, devices=kept))
    for device in policy.devices.values():
        if device.id in with_segment:
            problems.append(references.of_device(device, node))
            continue
        problem = references.of_device_role(device, membership, node)
        problems.append(problem)
        if problem is None and references.is_placeable(replace(device, segment=membership.segment_of(device.id))):
            kept[device.id] = device
    return replace(policy, devices=kept), [problem for problem in problems if problem is not None]


def _in_order(problems: Iterable[Problem], first_file: str) -> list[Problem]:
    def order(problem: Problem) -> tuple[bool, str, int, int]:
        source = problem.source
        return source.file != first_file, source.file, source.line, source.column

    return sorted(dict.fromkeys(problems), key=order)
