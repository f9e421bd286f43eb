"""The token bucket."""

from __future__ import annotations

import pytest

from mqttseg.guard.limits import TokenBucket


def test_burst_passes_at_once_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(rate=10, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(2)] == [0.0, 0.0]
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.1) == pytest.approx(0.1)


def test_asking_how_long_to_wait_takes_nothing() -> None:
    bucket = TokenBucket(rate=10, burst=2, now=0.0)
    assert [bucket.wait(0.0), bucket.wait(0.0), bucket.take(0.0), bucket.wait(0.0)] == [0.0] * 4
    bucket.take(0.0)
    assert bucket.wait(0.0) == pytest.approx(0.1)


def test_tokens_come_back_up_to_the_burst_and_no_further() -> None:
    bucket = TokenBucket(rate=10, burst=3, now=0.0)
    for _ in range(3):
        bucket.take(0.0)
    waits = [bucket.take(1000.0) for _ in range(3)]
    assert waits == [0.0, 0.0, pytest.approx(0.1)]


def test_burst_of_less_than_one_lets_single_messages_pass() -> None:
    assert TokenBucket(rate=0.5, burst=0, now=0.0).take(0.0) == pytest.approx(2.0)
