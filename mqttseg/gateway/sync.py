"""Bringing a loaded ruleset up to what was learned, element by element.

Owns the file of what was learned, and the change in place: one transaction, no flow is judged anew, nothing else moves.
Where a set that is needed is not there, the whole ruleset is loaded instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from mqttseg.errors import OperatorError
from mqttseg.gateway import kernel
from mqttseg.gateway.learning import Learned
from mqttseg.gateway.nftables.identities import Element, identity_elements
from mqttseg.gateway.plan import Address, Plan
from mqttseg.pki import files


@dataclass(frozen=True, slots=True)
class Change:
    """What a sync does to the loaded ruleset."""

    added: tuple[Element, ...]
    removed: tuple[Element, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def commands(self) -> str:
        """As nft reads them: what goes first, so that what comes has room."""
        lines = [f"delete element {e.family} mqttseg {e.holder} {{ {e.key} }}" for e in self.removed]
        lines += [f"add element {e.family} mqttseg {e.holder} {{ {e} }}" for e in self.added]
        return "".join(f"{line}\n" for line in lines)


def change(before: Plan, after: Plan) -> Change:
    """The elements that differ between two plans."""
    old, new = dict.fromkeys(identity_elements(before)), dict.fromkeys(identity_elements(after))
    return Change(tuple(e for e in new if e not in old), tuple(e for e in old if e not in new))


def bring_up(wanted: Change) -> None:
    """Change the loaded ruleset in place. NftError when it is not the one that the change is for: nothing changed."""
    if wanted:
        kernel.load(wanted.commands())


class LearnedAddresses:
    """What was learned, in the gateway's state directory."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "learned.json"

    def read(self) -> dict[str, tuple[Address, ...]]:
        """The addresses by device; none when nothing was learned yet."""
        try:
            told = json.loads(self.path.read_text())
            return {device: tuple(map(ip_address, addresses)) for device, addresses in told["devices"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise OperatorError(f"{self.path}: {error}; remove it, and run `mqttseg gateway sync` again") from error

    def write(self, learned: Learned) -> None:
        """All of it on disk, or the file as it was."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = {device: [str(address) for address in addresses] for device, addresses in sorted(learned.items())}
        text = json.dumps({"version": 1, "devices": held}, indent=2) + "\n"
        files.replace(self.path, text.encode(), files.PRIVATE)


def told(elements: Iterable[Element]) -> Iterator[str]:
    """Elements for a person, routed ones only: those of the bridge follow from them."""
    yield from (f"{e.holder}: {e}" for e in elements if e.family == "inet")
