"""Policies for tests: from text, without files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mqttseg.errors import ConfigurationError
from mqttseg.policy.compiled import Compiled, compile_policy
from mqttseg.policy.document import parse_document
from mqttseg.policy.load import policy_of
from mqttseg.policy.model import Policy

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HEAD = "version: 1\ntrust_domain: t.example\n"


def policy(text: str, devices: str | None = None) -> Policy:
    """The policy of a text that begins after version and trust_domain (two lines), and of devices.yaml's text."""
    inventory = None if devices is None else parse_document(f"version: 1\ndevices:\n{devices}", "d")
    return policy_of(parse_document(HEAD + text, "p"), inventory)


def compiled(text: str, devices: str | None = None) -> Compiled:
    return compile_policy(policy(text, devices), NOW)


def problems(text: str, devices: str | None = None) -> list[str]:
    """What is wrong with a policy: at least something must be."""
    with pytest.raises(ConfigurationError) as caught:
        policy(text, devices)
    return [str(problem) for problem in caught.value.problems]
