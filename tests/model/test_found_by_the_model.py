"""What the model has found, told as short stories: each was a message lost or delivered against MQTT or the policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from mqttseg.wire.encode import encode
from mqttseg.wire.packets import (
    Connect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from tests.model.small_site import Line, SmallSite

Talk = Callable[..., list[Packet]]


@pytest.fixture
def site() -> Iterator[SmallSite]:
    site = SmallSite()
    yield site
    site.close()


def join(site: SmallSite, device: str) -> Line:
    """A device resumes its session, or begins one."""
    line = site.open(device)
    say(site, line, Connect(device, clean_session=False))
    return line


def say(site: SmallSite, line: Line, *packets: Packet) -> list[Packet]:
    """What the broker writes back."""
    site.turn(lambda: line.send(b"".join(map(encode, packets))))
    return line.received()


def lose(site: SmallSite, line: Line) -> None:
    site.turn(line.lose)


def test_pubcomp_of_a_message_dropped_by_policy_waits_until_its_packet_id_is_free_on_disk(site: SmallSite) -> None:
    """Or after a kill the device's next message of that packet id was taken for the old one, and lost."""
    device = join(site, "p")
    say(site, device, Publish("s/2", b"0", 2, packet_id=1))
    site.commit()
    assert device.received() == [Pubrec(1)]
    site.change_policy(replace(site.switches, deny=True))
    assert say(site, device, Pubrel(1)) == []
    site.commit()
    assert device.received() == [Pubcomp(1)]
    site.kill()
    device = join(site, "p")
    assert say(site, device, Publish("s/1", b"1", 2, packet_id=1)) == []
    assert not device.closed


def test_pubrel_said_again_after_a_reconnect_is_answered_when_what_it_led_to_is_safe(site: SmallSite) -> None:
    """The guard no longer knew of the flow and answered by itself: a kill then lost an acknowledged message."""
    reader, device = join(site, "q"), join(site, "p")
    say(site, reader, Subscribe(1, (("s/1", 2),)))
    say(site, device, Publish("s/1", b"0", 2, packet_id=1))
    site.commit()
    assert device.received() == [Pubrec(1)]
    say(site, device, Pubrel(1))
    lose(site, device)
    device = join(site, "p")
    assert say(site, device, Pubrel(1)) == []
    site.commit()
    assert device.received() == [Pubcomp(1)]
    site.kill()
    assert site.engine.sessions["q"].owed == 1


def test_subscription_that_waits_for_a_commit_can_be_given_up_by_the_next_connection(site: SmallSite) -> None:
    """The guard answered UNSUBSCRIBE for the engine, since nothing had begun; then it began."""
    device = join(site, "p")
    assert say(site, device, Subscribe(1, (("s/#", 1),))) == []
    lose(site, device)
    device = join(site, "p")
    assert say(site, device, Unsubscribe(2, ("s/#",))) == []
    site.commit()
    assert device.received() == [Unsuback(2)]
    assert not site.engine.subscriptions


def test_subscription_that_waits_for_a_commit_is_withdrawn_by_a_policy_that_forbids_it(site: SmallSite) -> None:
    device = join(site, "p")
    assert say(site, device, Subscribe(1, (("s/#", 1),))) == []
    lose(site, device)
    site.change_policy(replace(site.switches, deny=True))
    device = join(site, "p")
    site.commit()
    assert not [packet for packet in device.received() if isinstance(packet, Suback)]
    assert not site.engine.subscriptions


def test_qos_2_delivery_that_policy_withholds_when_it_is_repeated_frees_its_packet_id_at_the_device(
    site: SmallSite,
) -> None:
    """The device has had the message and waits for PUBREL: the next of that packet id would be a duplicate to it."""
    reader, device = join(site, "q"), join(site, "p")
    say(site, reader, Subscribe(1, (("s/+", 2),)))
    site.commit()
    say(site, device, Publish("s/2", b"0", 2, packet_id=1), Pubrel(1))
    site.commit()
    delivered = [packet for packet in reader.received() if isinstance(packet, Publish)]
    assert [(packet.payload, packet.qos) for packet in delivered] == [(b"0", 2)]
    lose(site, reader)  # before its PUBREC
    site.change_policy(replace(site.switches, home="t", conduit=True))
    reader = join(site, "q")
    site.commit()
    assert Pubrel(delivered[0].packet_id) in reader.received()


def test_unsuback_of_a_filter_that_policy_withdrew_waits_until_that_is_on_disk(site: SmallSite) -> None:
    """The guard answered by itself, since it held the filter no more: a kill, and the device was subscribed again."""
    device = join(site, "p")
    say(site, device, Subscribe(1, (("s/#", 1),)))
    site.commit()
    lose(site, device)
    site.change_policy(replace(site.switches, deny=True))
    device = join(site, "p")
    assert say(site, device, Unsubscribe(2, ("s/#",))) == []
    site.commit()
    assert device.received() == [Unsuback(2)]
    site.kill()
    assert not site.engine.sessions["p"].filters
    assert say(site, join(site, "p"), Unsubscribe(3, ("s/#",))) == [Unsuback(3)], "it waits for nothing"


def test_unsuback_of_a_filter_given_up_twice_waits_until_that_is_on_disk(site: SmallSite) -> None:
    """The guard answered the second UNSUBSCRIBE before the first was safe."""
    device = join(site, "p")
    say(site, device, Subscribe(1, (("s/#", 1),)))
    site.commit()
    assert device.received() == [Suback(1, (1,))]
    assert say(site, device, Unsubscribe(2, ("s/#",)), Unsubscribe(3, ("s/#",))) == []
    site.commit()
    assert device.received() == [Unsuback(2), Unsuback(3)]


@pytest.mark.spec("MQTT-4.6.0-2", "MQTT-4.6.0-3")
@pytest.mark.parametrize(("qos", "answer"), [(1, Puback), (2, Pubrec)])
def test_refused_message_is_acknowledged_in_its_turn(
    site: SmallSite, qos: int, answer: Callable[[int], Packet]
) -> None:
    """The guard answered it at once, before what had come earlier and waited for a commit."""
    reader, device = join(site, "q"), join(site, "p")
    say(site, reader, Subscribe(1, (("s/1", 2),)))
    site.commit()
    sent = [Publish(topic, b"0", qos, packet_id=i) for i, topic in enumerate(("s/1", "t/1", "s/1"), start=1)]
    assert say(site, device, *sent) == []
    site.commit()
    assert device.received() == [answer(1), answer(2), answer(3)]
    assert say(site, device, Publish("t/1", b"0", qos, packet_id=4)) == [answer(4)], "it waits for nothing"
