"""What reading and writing a PUBLISH costs, beside amqtt's reader in the same run.

Run it: it prints, and asserts nothing. Each figure is the best of many short runs, taken in turns, so that a busy
machine disturbs all of them alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from amqtt.adapters import BufferReader
from amqtt.mqtt.packet import MQTTFixedHeader
from amqtt.mqtt.publish import PublishPacket

from mqttseg.wire.decode import Decoder
from mqttseg.wire.encode import encode, publish_frame
from mqttseg.wire.packets import Puback

TOPIC = b"hvac/thermo-1/temp12"
PAYLOAD = b"x" * 64
ROUNDS, PACKETS = 40, 2000

PLAIN = publish_frame(TOPIC, PAYLOAD)
QOS_1 = publish_frame(TOPIC, PAYLOAD, 1, packet_id=7)


def reading(frame: bytes, batch: int) -> Callable[[], None]:
    """Return what reads PACKETS frames, ``batch`` to a read."""
    decoder, data = Decoder(True, 262_144), frame * batch

    def run() -> None:
        for _ in range(PACKETS // batch):
            for _packet in decoder.feed(data):
                pass

    return run


def reading_new_topics() -> Callable[[], None]:
    """Return what reads PACKETS frames whose topics were all forgotten when they come again."""
    decoder = Decoder(True, 262_144)
    data = b"".join(publish_frame(b"hvac/thermo-1/t%05d" % n, PAYLOAD) for n in range(PACKETS))

    def run() -> None:
        for _packet in decoder.feed(data):
            pass

    return run


def writing(qos: int) -> Callable[[], None]:
    """Return what writes PACKETS frames."""

    def run() -> None:
        for _ in range(PACKETS):
            publish_frame(TOPIC, PAYLOAD, qos, packet_id=qos)

    return run


def amqtt_reading(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Return amqtt's way: fixed header, then PublishPacket.from_stream."""

    async def read() -> None:
        reader = BufferReader(PLAIN * 200)
        for _ in range(200):
            header = await MQTTFixedHeader.from_stream(reader)
            await PublishPacket.from_stream(reader, fixed_header=header)

    def run() -> None:
        for _ in range(PACKETS // 200):
            loop.run_until_complete(read())

    return run


def main() -> None:
    """Measure and print."""
    loop = asyncio.new_event_loop()
    cases = {
        **{f"read QoS 0, {batch} to a read": reading(PLAIN, batch) for batch in (1, 4, 16, 100)},
        "read QoS 0, new topics": reading_new_topics(),
        "read QoS 1, 16 to a read": reading(QOS_1, 16),
        "read PUBACK, 16 to a read": reading(encode(Puback(7)), 16),
        "write QoS 0": writing(0),
        "write QoS 1": writing(1),
        "amqtt reads QoS 0": amqtt_reading(loop),
    }
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(ROUNDS):
        for name, run in cases.items():
            start = perf_counter()
            run()
            best[name] = min(best[name], perf_counter() - start)
    loop.close()
    theirs = best["amqtt reads QoS 0"]
    for name, seconds in best.items():
        print(f"{name:26} {seconds / PACKETS * 1e6:7.3f} us   amqtt / this: {theirs / seconds:5.1f}")


if __name__ == "__main__":
    main()
