"""The whole broker against a model of MQTT 3.1.1 with policy: devices come and go, are cut off at any byte, take over,
subscribe and publish at every QoS, retained and as wills; the policy changes under them; the disk fails; kill -9.

The laws stand in reference_broker.py, the moves in machine.py, their odds in walk.py.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.model.machine import BrokerMachine
from tests.model.walk import Walk

COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@pytest.mark.parametrize("seed", range(60))
def test_walk(seed: int) -> None:
    Walk(seed).run(steps=120)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1_000, 1_200))
def test_long_walk(seed: int) -> None:
    Walk(seed).run(steps=400)


TestBrokerModel = BrokerMachine.TestCase
TestBrokerModel.settings = settings(COMMON, max_examples=40, stateful_step_count=40, derandomize=True)


@pytest.mark.full
class TestBrokerModelLong(BrokerMachine.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    """The same for longer."""

    settings = settings(COMMON, max_examples=400, stateful_step_count=80)
