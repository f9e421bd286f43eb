"""Named MQTT 3.1.1 packets, legal and malformed, shared by the tests. Bytes are in hexadecimal, text as it is."""

from __future__ import annotations

from typing import NamedTuple

from mqttseg.wire.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

CLIENT, SERVER = True, False


def raw(*parts: str | bytes) -> bytes:
    """Bytes as they are; strings are hexadecimal."""
    return b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in parts)


class Legal(NamedTuple):
    name: str
    from_client: bool
    data: bytes
    packet: Packet


class Malformed(NamedTuple):
    name: str
    clause: str
    from_client: bool
    data: bytes


LEGAL = [
    Legal("connect", CLIENT, raw("100e 0004", b"MQTT", "04 02 003c 0002", b"t1"), Connect("t1", True, 60)),
    Legal("connect, empty client id", CLIENT, raw("100c 0004", b"MQTT", "04 02 0000 0000"), Connect("")),
    Legal(
        "connect, session kept",
        CLIENT,
        raw("100d 0004", b"MQTT", "04 00 ffff 0001", b"t"),
        Connect("t", False, 65535),
    ),
    Legal(
        "connect with everything",
        CLIENT,
        raw("101d 0004", b"MQTT", "04 f6 000a 0001", b"t", "0001", b"w", "0002", b"hi", "0002", b"me", "0003 00ff00"),
        Connect("t", True, 10, Will("w", b"hi", 2, True), "me", b"\x00\xff\x00"),
    ),
    Legal(
        "connect, will without payload",
        CLIENT,
        raw("1012 0004", b"MQTT", "04 06 0000 0001", b"t", "0001", b"w", "0000"),
        Connect("t", will=Will("w", b"")),
    ),
    Legal(
        "connect, empty user name, no password",
        CLIENT,
        raw("100f 0004", b"MQTT", "04 82 0000 0001", b"t", "0000"),
        Connect("t", username=""),
    ),
    Legal("publish", CLIENT, raw("3005 0003", b"a/b"), Publish("a/b", b"")),
    Legal("publish, from the server", SERVER, raw("3007 0003", b"a/b", "0001"), Publish("a/b", b"\x00\x01")),
    Legal("publish, retained", CLIENT, raw("3104 0001", b"ah"), Publish("a", b"h", retain=True)),
    Legal("publish, QoS 1", CLIENT, raw("3206 0001", b"a", "000a", b"h"), Publish("a", b"h", 1, packet_id=10)),
    Legal(
        "publish, QoS 1, again, retained",
        CLIENT,
        raw("3b05 0001", b"a", "ffff"),
        Publish("a", b"", 1, retain=True, dup=True, packet_id=65535),
    ),
    Legal("publish, QoS 2", SERVER, raw("3405 0001", b"a", "0001"), Publish("a", b"", 2, packet_id=1)),
    Legal("publish, QoS 2, again", CLIENT, raw("3c05 0001", b"a", "0001"), Publish("a", b"", 2, dup=True, packet_id=1)),
    Legal("publish, length in 2 bytes", CLIENT, raw("308001 0001", b"a", b"x" * 125), Publish("a", b"x" * 125)),
    Legal("publish, length in 3 bytes", CLIENT, raw("30808001 0001", b"a", bytes(16381)), Publish("a", bytes(16381))),
    Legal("publish, topic of separators", CLIENT, raw("3004 0002", b"//"), Publish("//", b"")),
    Legal("publish, topic with U+FEFF", CLIENT, raw("3006 0004 efbbbf", b"a"), Publish("\ufeffa", b"")),
    Legal("publish, topic beyond the BMP", CLIENT, raw("3006 0004 f09f8ca1"), Publish("🌡", b"")),
    Legal("puback", CLIENT, raw("4002 0001"), Puback(1)),
    Legal("puback, from the server", SERVER, raw("4002 ffff"), Puback(65535)),
    Legal("pubrec", CLIENT, raw("5002 0102"), Pubrec(258)),
    Legal("pubrel", CLIENT, raw("6202 0001"), Pubrel(1)),
    Legal("pubcomp", SERVER, raw("7002 0001"), Pubcomp(1)),
    Legal("subscribe", CLIENT, raw("8206 0001 0001", b"#", "00"), Subscribe(1, (("#", 0),))),
    Legal(
        "subscribe, three filters",
        CLIENT,
        raw("8215 0001 0003", b"a/b", "00 0003", b"a/#", "01 0004", b"+/+/", "02"),
        Subscribe(1, (("a/b", 0), ("a/#", 1), ("+/+/", 2))),
    ),
    Legal("unsubscribe", CLIENT, raw("a208 0001 0001", b"+", "0001", b"/"), Unsubscribe(1, ("+", "/"))),
    Legal("pingreq", CLIENT, raw("c000"), Pingreq()),
    Legal("disconnect", CLIENT, raw("e000"), Disconnect()),
    Legal("connack", SERVER, raw("2002 0000"), Connack(False, 0)),
    Legal("connack, session present", SERVER, raw("2002 0100"), Connack(True, 0)),
    Legal("connack, refused", SERVER, raw("2002 0005"), Connack(False, 5)),
    Legal("suback", SERVER, raw("9006 0001 00010280"), Suback(1, (0, 1, 2, 0x80))),
    Legal("unsuback", SERVER, raw("b002 0001"), Unsuback(1)),
    Legal("pingresp", SERVER, raw("d000"), Pingresp()),
]

OTHER_LEVELS = [
    Legal("connect, MQTT 5", CLIENT, raw("100e 0004", b"MQTT", "05 02 003c 00 0001", b"t"), Connect("", level=5)),
    Legal("connect, MQTT 3.1", CLIENT, raw("100f 0006", b"MQIsdp", "03 02 003c 0001", b"t"), Connect("", level=3)),
    Legal("connect, bridge of Mosquitto", CLIENT, raw("1007 0004", b"MQTT", "84"), Connect("", level=0x84)),
    Legal("connect, level 0 and nonsense", CLIENT, raw("1009 0004", b"MQTT", "00 ffff"), Connect("", level=0)),
]

MALFORMED = [
    # The fixed header
    Malformed("type 0", "2.2.1", CLIENT, raw("0000")),
    Malformed("type 15", "2.2.1", CLIENT, raw("f000")),
    Malformed("connect with flags", "MQTT-2.2.2-2", CLIENT, raw("110c 0004", b"MQTT", "04 02 0000 0000")),
    Malformed("subscribe without its flags", "MQTT-2.2.2-2", CLIENT, raw("8006 0001 0001", b"#", "00")),
    Malformed("unsubscribe without its flags", "MQTT-2.2.2-2", CLIENT, raw("a005 0001 0001", b"#")),
    Malformed("pubrel without its flags", "MQTT-2.2.2-2", CLIENT, raw("6002 0001")),
    Malformed("puback with flags", "MQTT-2.2.2-2", CLIENT, raw("4202 0001")),
    Malformed("pingreq with flags", "MQTT-2.2.2-2", CLIENT, raw("c100")),
    Malformed("publish, QoS 3", "MQTT-2.2.2-2", CLIENT, raw("3605 0001", b"a", "0001")),
    Malformed("publish, QoS 3, again", "MQTT-2.2.2-2", CLIENT, raw("3e05 0001", b"a", "0001")),
    Malformed("publish, QoS 0, again", "MQTT-2.2.2-2", CLIENT, raw("3803 0001", b"a")),
    Malformed("publish, QoS 0, again, retained", "MQTT-2.2.2-2", CLIENT, raw("3903 0001", b"a")),
    Malformed("length in five bytes", "2.2.3", CLIENT, raw("30 8080808001 0001", b"a")),
    Malformed("length in four bytes that do not end", "2.2.3", CLIENT, raw("30 ffffffff")),
    Malformed("length in more bytes than it needs", "2.2.3", CLIENT, raw("30 8300 0001", b"a")),
    Malformed("length 0 in two bytes", "2.2.3", CLIENT, raw("c0 8000")),
    # The wrong side
    *(
        Malformed(f"{case.name}, from the client", "2.2.1", CLIENT, case.data)
        for case in LEGAL
        if not case.from_client and case.data[0] in {0x20, 0x90, 0xB0, 0xD0}
    ),
    *(
        Malformed(f"{case.name}, from the server", "2.2.1", SERVER, case.data)
        for case in LEGAL
        if case.data[0] in {0x10, 0x82, 0xA2, 0xC0, 0xE0}
    ),
    # CONNECT
    Malformed("connect, nothing", "past the end", CLIENT, raw("1000")),
    Malformed("connect, no level", "past the end", CLIENT, raw("1006 0004", b"MQTT")),
    Malformed("connect, another name", "MQTT-3.1.2-1", CLIENT, raw("100c 0004", b"HTTP", "04 02 0000 0000")),
    Malformed("connect, another name and level", "MQTT-3.1.2-1", CLIENT, raw("100c 0004", b"mqtt", "05 02 0000 0000")),
    Malformed("connect, 3.1's name, 3.1.1's level", "MQTT-3.1.2-1", CLIENT, raw("1009 0006", b"MQIsdp", "04")),
    Malformed("connect, reserved flag", "MQTT-3.1.2-3", CLIENT, raw("100c 0004", b"MQTT", "04 03 0000 0000")),
    Malformed("connect, will QoS and no will", "MQTT-3.1.2-11", CLIENT, raw("100c 0004", b"MQTT", "04 0a 0000 0000")),
    Malformed("connect, will retain, no will", "MQTT-3.1.2-11", CLIENT, raw("100c 0004", b"MQTT", "04 22 0000 0000")),
    Malformed(
        "connect, will QoS 3",
        "MQTT-3.1.2-14",
        CLIENT,
        raw("1011 0004", b"MQTT", "04 1e 0000 0000 0001", b"w", "0000"),
    ),
    Malformed("connect, password only", "MQTT-3.1.2-22", CLIENT, raw("100e 0004", b"MQTT", "04 42 0000 0000 0000")),
    Malformed("connect, no client id", "past the end", CLIENT, raw("100a 0004", b"MQTT", "04 02 0000")),
    Malformed("connect, half a will", "past the end", CLIENT, raw("100f 0004", b"MQTT", "04 06 0000 0000 0001", b"w")),
    Malformed("connect, no password", "past the end", CLIENT, raw("100e 0004", b"MQTT", "04 c2 0000 0000 0000")),
    Malformed("connect, trailing byte", "follow the last", CLIENT, raw("100d 0004", b"MQTT", "04 02 0000 0000 00")),
    Malformed("connect, id past the end", "past the end", CLIENT, raw("100d 0004", b"MQTT", "04 02 0000 ffff", b"t")),
    Malformed("connect, client id not UTF-8", "MQTT-1.5.3-1", CLIENT, raw("100d 0004", b"MQTT", "04 02 0000 0001 ff")),
    Malformed("connect, U+0000 in client id", "MQTT-1.5.3-2", CLIENT, raw("100d 0004", b"MQTT", "04 02 0000 0001 00")),
    Malformed(
        "connect, wildcard in will topic",
        "MQTT-3.3.2-2",
        CLIENT,
        raw("1011 0004", b"MQTT", "04 06 0000 0000 0001", b"#", "0000"),
    ),
    Malformed(
        "connect, empty will topic", "MQTT-4.7.3-1", CLIENT, raw("1010 0004", b"MQTT", "04 06 0000 0000 0000 0000")
    ),
    # PUBLISH
    Malformed("publish, nothing", "past the end", CLIENT, raw("3000")),
    Malformed("publish, half a length", "past the end", CLIENT, raw("3001 00")),
    Malformed("publish, QoS 1, nothing", "past the end", CLIENT, raw("3200")),
    Malformed("publish, topic past the end", "past the end", CLIENT, raw("3004 0003", b"ab")),
    Malformed("publish, QoS 1, topic past the end", "past the end", CLIENT, raw("3204 0003", b"ab")),
    Malformed("publish, QoS 1, no packet id", "past the end", CLIENT, raw("3203 0001", b"a")),
    Malformed("publish, QoS 1, half a packet id", "past the end", CLIENT, raw("3204 0001", b"a", "01")),
    Malformed("publish, QoS 1, packet id 0", "MQTT-2.3.1-1", CLIENT, raw("3205 0001", b"a", "0000")),
    Malformed("publish, QoS 2, packet id 0", "MQTT-2.3.1-1", SERVER, raw("3405 0001", b"a", "0000")),
    Malformed("publish, no topic", "MQTT-4.7.3-1", CLIENT, raw("3002 0000")),
    Malformed("publish, topic #", "MQTT-3.3.2-2", CLIENT, raw("3003 0001", b"#")),
    Malformed("publish, topic with +", "MQTT-3.3.2-2", CLIENT, raw("3005 0003", b"a/+")),
    Malformed("publish, + in a level, QoS 1", "MQTT-3.3.2-2", CLIENT, raw("3206 0002", b"a+", "0001")),
    Malformed("publish, U+0000 in topic", "MQTT-1.5.3-2", CLIENT, raw("3005 0003", b"a\0b")),
    Malformed("publish, surrogate in topic", "MQTT-1.5.3-1", CLIENT, raw("3005 0003 eda080")),
    Malformed("publish, surrogate pair in topic", "MQTT-1.5.3-1", CLIENT, raw("3008 0006 eda0bdedb980")),
    Malformed("publish, over-long slash in topic", "MQTT-1.5.3-1", CLIENT, raw("3004 0002 c0af")),
    Malformed("publish, over-long U+0000 in topic", "MQTT-1.5.3-1", CLIENT, raw("3004 0002 c080")),
    Malformed("publish, character cut in topic", "MQTT-1.5.3-1", CLIENT, raw("3004 0002 e282")),
    Malformed("publish, beyond U+10FFFF in topic", "MQTT-1.5.3-1", CLIENT, raw("3006 0004 f4908080")),
    # The packets of a packet identifier
    *(
        Malformed(f"{name}, {what}", clause, from_client, raw(f"{first} {rest}"))
        for name, first, from_client in [
            ("puback", "40", CLIENT),
            ("pubrec", "50", CLIENT),
            ("pubrel", "62", CLIENT),
            ("pubcomp", "70", SERVER),
            ("unsuback", "b0", SERVER),
        ]
        for what, rest, clause in [
            ("packet id 0", "02 0000", "MQTT-2.3.1-1"),
            ("nothing", "00", "3.4"),
            ("half a packet id", "01 01", "3.4"),
            ("trailing byte", "03 000100", "3.4"),
        ]
    ),
    # SUBSCRIBE and UNSUBSCRIBE
    Malformed("subscribe, no filter", "MQTT-3.8.3-3", CLIENT, raw("8202 0001")),
    Malformed("subscribe, nothing", "past the end", CLIENT, raw("8200")),
    Malformed("subscribe, packet id 0", "MQTT-2.3.1-1", CLIENT, raw("8206 0000 0001", b"#", "00")),
    Malformed("subscribe, QoS 3", "MQTT-3-8.3-4", CLIENT, raw("8206 0001 0001", b"#", "03")),
    Malformed("subscribe, reserved bits", "MQTT-3-8.3-4", CLIENT, raw("8206 0001 0001", b"#", "04")),
    Malformed("subscribe, options of MQTT 5", "MQTT-3-8.3-4", CLIENT, raw("8206 0001 0001", b"#", "80")),
    Malformed("subscribe, second without QoS", "past the end", CLIENT, raw("8209 0001 0001", b"a", "00 0001", b"b")),
    Malformed("subscribe, half a length", "past the end", CLIENT, raw("8207 0001 0001", b"a", "00 00")),
    Malformed("subscribe, U+0000 in filter", "MQTT-1.5.3-2", CLIENT, raw("8206 0001 0001 00 00")),
    Malformed("unsubscribe, no filter", "MQTT-3.10.3-2", CLIENT, raw("a202 0001")),
    Malformed("unsubscribe, packet id 0", "MQTT-2.3.1-1", CLIENT, raw("a205 0000 0001", b"a")),
    Malformed("unsubscribe, trailing byte", "past the end", CLIENT, raw("a206 0001 0001", b"a", "00")),
    Malformed("unsubscribe, bad filter", "MQTT-4.7.1-2", CLIENT, raw("a206 0001 0002", b"a#")),
    # Those without a body
    Malformed("pingreq with a body", "follow the last", CLIENT, raw("c001 00")),
    Malformed("disconnect with a body", "follow the last", CLIENT, raw("e001 00")),
    Malformed("pingresp with a body", "follow the last", SERVER, raw("d001 00")),
    # CONNACK and SUBACK
    Malformed("connack, short", "past the end", SERVER, raw("2001 00")),
    Malformed("connack, trailing byte", "follow the last", SERVER, raw("2003 000000")),
    Malformed("connack, reserved flag", "3.2.2.1", SERVER, raw("2002 0200")),
    Malformed("connack, reserved code", "3.2.2.3", SERVER, raw("2002 0006")),
    Malformed("connack, refused with a session", "MQTT-3.2.2-4", SERVER, raw("2002 0105")),
    Malformed("suback, no code", "past the end", SERVER, raw("9002 0001")),
    Malformed("suback, packet id 0", "MQTT-2.3.1-1", SERVER, raw("9003 0000 00")),
    Malformed("suback, reserved code", "MQTT-3.9.3-2", SERVER, raw("9004 0001 0003")),
]

FILTERS = {"#", "/", "+", "a", "a/#", "/#", "+/#", "a/+/b", "+/+", "/+", "$SYS/#", "a//b", "a b", "$share/g/a"}
NO_FILTERS = {"a#", "a/#/b", "#/", "##", "#/#", "/#/", "a+", "+a", "a/+b/c", "++", "a/b+", "+#", "#+"}
