"""Flows and drafts for tests: short to write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from mqttseg.learn.draft import Denied, Draft, Frame, draft
from mqttseg.learn.evidence import Support
from mqttseg.observe.flows import Direction, Flow
from mqttseg.observe.shapes import shape_of
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.document import parse_document
from mqttseg.policy.load import policy_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEAD = "version: 1\ntrust_domain: t.example\n"
SITE = """
segments:
  hvac:
    members: ["t-*"]
    roles:
      boss: {members: [b-1]}
  cams: {members: ["c-*"]}
"""


def flow(device: str, text: str, count: int = 10, *, observed: int = 0) -> Flow:
    """``text``: ``publish TOPIC`` and so on."""
    direction, _, topic = text.partition(" ")
    return Flow(
        device=device,
        segment=None,
        direction=Direction(direction),
        shape=shape_of(topic, device),
        example=topic,
        count=count,
        bytes=count,
        observed=observed,
        first_seen=datetime(2026, 11, 20, 8, tzinfo=UTC),
        last_seen=datetime(2026, 11, 22, 11, tzinfo=UTC),
    )


def compiled(text: str) -> Compiled:
    return compile_policy(policy_of(parse_document(text, "policy.yaml")), NOW)


def learn(
    flows: Sequence[Flow],
    site: str = SITE,
    denied: Iterable[Denied] = (),
    support: Support | None = None,
    *,
    observed: bool = False,
) -> Draft:
    frame = Frame(compiled(HEAD + site), HEAD + site)
    return draft(frame, flows, list(denied), support or Support(), NOW, learn_observed=observed)


def filters(made: Draft) -> list[str]:
    """The lines that hold, each with its place."""
    return sorted(
        f"{' '.join(str(part) for part in learnt.line.place.as_json().values() if part)} {learnt.line.filter}"
        for learnt in made.proposal.lines
    )
