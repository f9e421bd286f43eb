"""The busiest devices are those of the last harvest, per second."""

from __future__ import annotations

from mqttseg.observe.busiest import NAMED, Busiest
from mqttseg.observe.flows import Direction, Traffic
from mqttseg.observe.snapshot import Busy


def passed(device: str, direction: Direction, count: int) -> Traffic:
    return Traffic(device, "hvac", direction, "t", count)


def test_messages_are_added_up_per_device_and_second() -> None:
    clock = iter([0.0, 5.0, 10.0])
    busiest = Busiest(lambda: next(clock))
    busiest(
        [
            passed("a", Direction.PUBLISH, 10),
            passed("b", Direction.PUBLISH, 100),
            passed("b", Direction.RECEIVE, 50),
            passed("b", Direction.SUBSCRIBE, 9),
        ]
    )
    assert list(busiest.devices) == [Busy("b", 20.0, 10.0), Busy("a", 2.0, 0.0)]
    busiest([passed("a", Direction.RECEIVE, 5)])
    assert list(busiest.devices) == [Busy("a", 0.0, 1.0)]


def test_only_so_many_are_named() -> None:
    busiest = Busiest()
    busiest([passed(f"d{number}", Direction.PUBLISH, number) for number in range(1, 1000)])
    assert [busy.device for busy in busiest.devices] == [f"d{number}" for number in range(999, 999 - NAMED, -1)]
