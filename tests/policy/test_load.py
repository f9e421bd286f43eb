"""A file gives a policy, or every problem it has: with place, what, and remedy."""
# ruff: noqa: E501  (tables read best with one case in one line)

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqttseg.errors import ConfigurationError
from mqttseg.policy.document import parse_document
from mqttseg.policy.load import load_policy, policy_of
from mqttseg.policy.model import Action, Mode, OnDenied, Policy, Width
from tests.policy.policies import HEAD, policy, problems

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLE = (CONFIGS / "policy.yaml").read_text()


def test_the_shipped_example_loads() -> None:
    loaded = load_policy(CONFIGS / "policy.yaml", CONFIGS / "devices.yaml")
    assert list(loaded.segments) == ["hvac", "cameras", "analytics"]
    assert loaded.devices["cam-9"].segment == "hvac"


def test_the_whole_language_arrives_in_the_model() -> None:
    loaded = policy(
        """
mode: observe
segments:
  a:
    description: first
    namespace: [a, site/a]
    members: [dev-1, "x-*"]
    publish: ["a/${device}/#"]
    deny: [a/secret]
    mode: enforce
    subscriptions: narrow
    on_denied: disconnect
    limits: {messages_per_second: 0.5, burst: 2, payload: 1KiB, subscriptions: 3}
    network: {allow: [dns, {to: 10.0.0.0/8, tcp: 80, udp: [1, 2]}]}
    roles:
      boss: {members: [b1], subscribe: ["a/#"], deny: ["a/b"]}
  b: {}
conduits:
  c: {from: a/boss, to: b, topics: ["a/x"], until: 2027-01-31T00:00:00+01:00, mode: observe, network: {allow: [ntp]}}
network:
  interfaces: [br0]
  broker: {addresses: ["2001:DB8::1"]}
  services: {dns: [192.0.2.1]}
  admin: [192.0.2.0/24]
tests:
  - isolated: [a, b]
  - {device: dev-1, can: [publish a/dev-1/x], cannot: ["subscribe #", receive b/x y]}
""",
        '  dev-1: {segment: a, role: boss, mac: "02-AA-00-00-00-01", addresses: learned, labels: {floor: "2"}}',
    )
    a = loaded.segments["a"]
    assert (loaded.mode, a.mode, a.width, a.on_denied) == (
        Mode.OBSERVE,
        Mode.ENFORCE,
        Width.NARROW,
        OnDenied.DISCONNECT,
    )
    assert [rule.filter for rule in a.namespace] == ["a", "site/a"]
    assert [rule.filter for rule in a.base.publish or ()] == ["a/${device}/#"]
    assert a.base.subscribe is None
    assert [rule.filter for rule in a.deny] == ["a/secret"]
    assert (a.limits.messages_per_second, a.limits.burst, a.limits.payload, a.limits.subscriptions) == (0.5, 2, 1024, 3)
    assert a.allow[0].name == "dns"
    assert (a.allow[1].to, a.allow[1].tcp, a.allow[1].udp) == ("10.0.0.0/8", (80,), (1, 2))
    assert a.roles["boss"].publish is None
    assert str(a.roles["boss"].source) == "p:18:7"
    assert loaded.segments["b"].base.publish is loaded.segments["b"].base.subscribe is None
    conduit = loaded.conduits["c"]
    assert (str(conduit.origin), str(conduit.target), conduit.mode) == ("a/boss", "b", Mode.OBSERVE)
    assert conduit.until is not None
    assert conduit.until.utcoffset() is not None
    assert loaded.network is not None
    assert (loaded.network.broker_addresses, loaded.network.broker_ports) == (("2001:db8::1",), (8883,))
    assert [(e.can, e.action, e.topic) for e in loaded.expectations] == [
        (True, Action.PUBLISH, "a/dev-1/x"),
        (False, Action.SUBSCRIBE, "#"),
        (False, Action.RECEIVE, "b/x y"),
    ]
    device = loaded.devices["dev-1"]
    assert (device.mac, device.learned, device.addresses, device.labels) == (
        "02:aa:00:00:00:01",
        True,
        (),
        {"floor": "2"},
    )


# Two lines of head come first: line 3 is the first of each text.
WRONG = {
    "no segments": ("mode: enforce\n", "p:1:1: the file lacks the key segments; add segments:"),
    "empty segments": ("segments: {}\n", "p:3:1: segments has fewer than 1 entries"),
    "segments as list": ("segments: [a]\n", "p:3:1: segments is a list, not a mapping"),
    "segment without a body": ("segments:\n  a:\n", "p:4:3: segments.a is empty"),
    "unknown key": ("segments: {a: {memebers: [x]}}\n", "p:3:16: unknown key 'memebers' in segments.a; did you mean members?"),
    "unknown root key": ("segments: {a: {}}\nfoo: 1\n", "p:4:1: unknown key 'foo'; use one of: conduits, mode,"),
    "number as member": ("segments: {a: {members: [12]}}\n", 'p:3:26: segments.a.members[1] is a number, not text; write "12"'),
    "boolean as name": ("segments: {true: {}}\n", 'the key true is a boolean, not text; write "true" in quotes'),
    "text as list": ("segments: {a: {members: x}}\n", "p:3:25: segments.a.members is text, not a list; write [A, B]"),
    "empty publish": ("segments: {a: {publish: }}\n", "p:3:16: segments.a.publish is empty"),
    "empty until": ("segments: {a: {}, b: {}}\nconduits: {c: {from: a, to: b, topics: [a], until: }}\n", "until is empty"),
    "bad mode": ("mode: enforced\nsegments: {a: {}}\n", "p:3:7: mode is 'enforced'; use 'enforce' or 'observe'"),
    "segment name": ("segments: {1a: {}}\n", "p:3:12: segments.1a: '1a' is not a name"),
    "long name": (f"segments: {{{'a' * 33}: {{}}}}\n", "is not a name"),
    "role name": ("segments: {a: {roles: {'r/x': {}}}}\n", "'r/x' is not a name"),
    "member syntax": ("segments: {a: {members: ['x+']}}\n", "p:3:26: segments.a.members[1]: 'x+' is not a device id or a glob"),
    "bad filter": ("segments: {a: {publish: ['a/b#']}}\n", "is not a topic filter: it has a wildcard beside other text"),
    "empty filter": ("segments: {a: {publish: ['']}}\n", "is not a topic filter: it is empty"),
    "unknown variable": ("segments: {a: {publish: ['a/${user}']}}\n", "uses ${user}, which is not known; use ${device} or"),
    "open variable": ("segments: {a: {publish: ['a/${device']}}\n", "uses ${device, which is not known"),
    "dollar publish": ("segments: {a: {publish: ['$SYS/x']}}\n", "is a system topic, which nobody may publish to"),
    "dollar subscribe": ("segments: {a: {subscribe: ['$other/x']}}\n", "only explicit $SYS/... filters"),
    "shared": ("segments: {a: {subscribe: ['$share/g/a']}}\n", "is a shared subscription"),
    "shared deny": ("segments: {a: {deny: ['$share/g/a']}}\n", "is a shared subscription"),
    "wildcard namespace": ("segments: {a: {namespace: 'a/#'}}\n", "p:3:27: segments.a.namespace: 'a/#' is not a topic prefix; write 'a'"),
    "dollar namespace": ("segments: {a: {namespace: $SYS}}\n", "system topics are nobody's"),
    "negative limit": ("segments: {a: {limits: {burst: 0}}}\n", "segments.a.limits.burst is 0; write a number of at least 1"),
    "size": ("segments: {a: {limits: {payload: 64KB/s}}}\n", "'64KB/s' is not a size; write bytes, or a number with KiB"),
    "fraction": ("segments: {a: {limits: {burst: 1.5}}}\n", "is a number, not a whole number"),
    "conduit to nowhere": (
        "segments: {hvac: {}, b: {}}\nconduits: {c: {from: hvacs, to: b, topics: [hvac/x]}}\n",
        "p:4:22: there is no segment hvacs; did you mean hvac?",
    ),
    "conduit to a missing role": (
        "segments: {a: {roles: {boss: {}}}, b: {}}\nconduits: {c: {from: a/bos, to: b, topics: [a/x]}}\n",
        "p:4:22: the segment a has no role bos; did you mean boss?",
    ),
    "conduit to itself": (
        "segments: {a: {roles: {r: {}}}}\nconduits: {c: {from: a, to: a/r, topics: [a/x]}}\n",
        "the conduit c leads from a to itself",
    ),
    "conduit without topics": ("segments: {a: {}, b: {}}\nconduits: {c: {from: a, to: b}}\n", "conduits.c lacks the key topics"),
    "conduit topics elsewhere": (
        "segments: {a: {}, b: {}, d: {}}\nconduits: {c: {from: a, to: b, topics: [d/x]}}\n",
        "p:4:41: d/x is not inside the namespace of a (d/x belongs to d), nor of b",
    ),
    "conduit topics straddle": (
        "segments: {a: {}, b: {}}\nconduits: {c: {from: a, to: b, topics: [+/x]}}\n",
        "+/x is not inside the namespace of a",
    ),
    "until without zone": (
        "segments: {a: {}, b: {}}\nconduits: {c: {from: a, to: b, topics: [a], until: 2027-01-01T00:00:00}}\n",
        "2027-01-01T00:00:00 has no time zone; write 2027-01-01T00:00:00Z",
    ),
    "until as date": (
        "segments: {a: {}, b: {}}\nconduits: {c: {from: a, to: b, topics: [a], until: 2027-01-01}}\n",
        "'2027-01-01' is not a moment",
    ),
    "grant outside": (
        "segments: {a: {publish: ['b/x']}, b: {}}\n",
        "p:3:26: b/x reaches outside the namespace of a: b/x belongs to b; keep it inside a/#, or write a conduit",
    ),
    "grant that widens": ("segments: {a: {subscribe: ['+/x']}}\n", "x/x is nobody's"),
    "grant on the parent": ("segments: {a: {namespace: s/a, publish: ['s/#']}}\n", "s/# reaches outside the namespace of a: s"),
    "role grant outside": ("segments: {a: {roles: {r: {publish: ['x']}}}}\n", "x reaches outside the namespace of a"),
    "template elsewhere": ("segments: {a: {publish: ['${device}/x'], members: [d1]}}\n", "d1/x is nobody's"),
    "grant of the rest takes another's": (
        "segments: {rest: {namespace: '#', publish: ['+/x']}, b: {}}\n",
        "+/x reaches outside the namespace of rest: b/x belongs to b; keep it inside what no other segment owns",
    ),
    "overlapping namespaces": (
        "segments:\n  a: {namespace: s}\n  b: {namespace: s/b}\n",
        "p:5:18: the namespace s/b of b overlaps s of a (p:4:18): both would own s/b",
    ),
    "literal in another's template": (
        "segments:\n  a: {namespace: 'tele/${device}', members: ['cam-*']}\n  b: {namespace: tele/cam-1}\n",
        "both would own tele/cam-1",
    ),
    "two rests": ("segments: {a: {namespace: '#'}, b: {namespace: '#'}}\n", "a second segment owns # (the first: p:3:27)"),
    "device in two segments": (
        "segments:\n  a: {members: [d1]}\n  b: {members: [d1]}\n",
        "p:5:17: d1 is a member of b and of a (p:4:17); remove it from one of them",
    ),
    "device in two roles": ("segments: {a: {roles: {r: {members: [d1]}, s: {members: [d1]}}}}\n", "d1 is a member of a/s and of a/r"),
    "overlapping globs in the rest": (
        "segments:\n  a: {namespace: '#', members: ['x-*'], roles: {r: {members: ['y-*']}, s: {members: ['*-1']}}}\n",
        "*-1 in a/s overlaps y-* in a/r (p:4:63): y-1 would be in both",
    ),
    "device in the rest and in a segment": (
        "segments:\n  a: {namespace: '#', members: [d1]}\n  b: {members: [d1]}\n",
        "d1 is a member of b and of a",
    ),
    "overlapping globs": (
        "segments:\n  a: {members: ['x-*']}\n  b: {members: ['*-1']}\n",
        "p:5:17: *-1 in b overlaps x-* in a (p:4:17): x-1 would be in both",
    ),
    "isolation of a stranger": ("segments: {a: {}}\ntests: [{isolated: [a, z]}]\n", "there is no segment z"),
    "isolation of one": ("segments: {a: {}}\ntests: [{isolated: [a]}]\n", "tests[1].isolated has fewer than 2 entries"),
    "isolation from itself": ("segments: {a: {}}\ntests: [{isolated: [a, a]}]\n", "isolates a segment from itself"),
    "test of nothing": ("segments: {a: {}}\ntests: [{device: d}]\n", "p:4:9: tests[1]: tests nothing"),
    "test of another verb": ("segments: {a: {}}\ntests: [{device: d, can: [eat a]}]\n", "'eat a' is not an attempt"),
    "test of a wildcard topic": ("segments: {a: {}}\ntests: [{device: d, can: ['publish #']}]\n", "its topic holds a wildcard"),
    "unknown test key": ("segments: {a: {}}\ntests: [{device: d, can: [publish a], cant: []}]\n", "unknown key 'cant' in tests[1]; did you mean can"),
    "test as text": ("segments: {a: {}}\ntests: [isolated]\n", "tests[1] is text, not"),
    "unknown service": ("segments: {a: {network: {allow: [dsn]}}}\n", "there is no service dsn; did you mean dns?"),
    "destination without port": ("segments: {a: {network: {allow: [{to: 192.0.2.1}]}}}\n", "names no port"),
    "port": ("segments: {a: {network: {allow: [{to: 192.0.2.1, tcp: 65536}]}}}\n", "is 65536; write a number of at most 65535"),
    "network with host bits": ("segments: {a: {}}\nnetwork: {admin: [10.0.0.1/8]}\n", "is not a network: 10.0.0.1/8 has host bits set"),
    "address": ("segments: {a: {}}\nnetwork: {broker: {addresses: [broker.local]}}\n", "'broker.local' is not an IP address"),
    "interface": ("segments: {a: {}}\nnetwork: {interfaces: [a-name-that-is-long]}\n", "is not an interface name"),
    "trust domain twice": ("trust_domain: x\nsegments: {a: {}}\n", "the key 'trust_domain' is here twice"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_place_and_remedy(case: str) -> None:
    text, said = WRONG[case]
    found = problems(text)
    assert [one for one in found if said in one], found
    assert len(found) == 1, found
    assert "; " in found[0]


FINE = {
    "namespace from the name": "segments: {a: {publish: ['a', 'a/#', 'a/+/x/${device}']}}\n",
    "segment variable": "segments: {a: {namespace: 'site/${segment}', publish: ['site/${segment}/#', 'site/a/x']}}\n",
    "shared template": (
        "segments:\n  a: {namespace: ['tele/${device}'], members: ['a*'], publish: ['tele/${device}/x', tele/a1/y]}\n"
        "  b: {namespace: ['tele/${device}'], members: ['b*']}\n"
    ),
    "literal that no member is": (
        "segments:\n  a: {namespace: 'tele/${device}', members: ['cam-*']}\n  b: {namespace: tele/door-1}\n"
    ),
    "rest beside others": "segments: {a: {namespace: '#', publish: ['x/#', '${device}/y']}, b: {}}\n",
    "explicit system topics": "segments: {a: {subscribe: ['$SYS/broker/uptime', '$SYS/#']}}\n",
    "deny anywhere": "segments: {a: {deny: ['#', '+/x', '$SYS/#']}}\n",
    "exact beats glob": "segments: {a: {members: ['x-*']}, b: {members: [x-1]}}\n",
    "globs whose common ids are listed": "segments: {a: {members: ['x-?']}, b: {members: ['?-1', x-1]}}\n",
    "a role refines its segment": "segments: {a: {members: ['x-*', b1], roles: {r: {members: ['x-b*', b1]}}}}\n",
    "conduit that has ended": (
        "segments: {a: {}, b: {}}\nconduits: {c: {from: a, to: b, topics: [a/x], until: 2001-01-01T00:00:00Z}}\n"
    ),
    "conduit into to": "segments: {a: {}, b: {}}\nconduits: {c: {from: a, to: b, topics: [b/in/#]}}\n",
    "test of no one": "segments: {a: {}}\ntests: [{device: no-one, cannot: ['subscribe #']}]\n",
    "words that YAML 1.1 takes for booleans": "segments: {on: {members: [yes, no, off]}}\n",
    "aliases": "segments:\n  a: {publish: &own ['a/x'], subscribe: *own}\n",
}


@pytest.mark.parametrize("case", FINE)
def test_what_is_right_loads(case: str) -> None:
    assert policy(FINE[case]).segments


DEVICES_WRONG = {
    "unknown segment": ("  d: {segment: hvax}", "d:3:16: there is no segment hvax; did you mean hvac?"),
    "unknown role": ("  d: {segment: hvac, role: bos}", "d:3:28: the segment hvac has no role bos; did you mean boss?"),
    "role without segment": ("  d: {role: boss}", "d has the role boss, but belongs to no segment"),
    "role of the listed segment": ("  m1: {role: chief}", "the segment hvac has no role chief"),
    "mac": ("  d: {mac: '02:aa'}", "d:3:12: devices.d.mac: '02:aa' is not a MAC address"),
    "multicast mac": ("  d: {mac: '01:00:5e:00:00:01'}", "is a multicast MAC address"),
    "two macs": ("  d: {mac: '02:AA:00:00:00:01'}\n  e: {mac: '02-aa-00-00-00-01'}", "e has the MAC address 02:aa:00:00:00:01, which d has too (d:3:3)"),
    "two addresses": ("  d: {addresses: ['fd00::1']}\n  e: {addresses: ['FD00:0::1']}", "e has the address fd00::1, which d has too"),
    "address": ("  d: {addresses: [10.0.0.300]}", "'10.0.0.300' is not an IP address"),
    "addresses as a word": ("  d: {addresses: dhcp}", "devices.d.addresses is 'dhcp'; use 'learned'"),
    "id": ("  'd/1': {}", "'d/1' is not a device id"),
    "numeric firmware": ("  d: {firmware: 1.10}", 'devices.d.firmware is a number, not text; write "1.10" in quotes'),
    "numeric label": ("  d: {labels: {floor: 2}}", 'devices.d.labels.floor is a number, not text; write "2" in quotes'),
    "boolean label": ("  d: {labels: {spare: true}}", 'is a boolean, not text; write "true" in quotes'),
    "unknown key": ("  d: {adresses: []}", "unknown key 'adresses' in devices.d; did you mean addresses?"),
    "empty entry": ("  d:", "devices.d is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", DEVICES_WRONG)
def test_what_is_wrong_in_the_inventory_is_said(case: str) -> None:
    text, said = DEVICES_WRONG[case]
    found = problems("segments: {hvac: {members: [m1], roles: {boss: {}}}}\n", text)
    assert [one for one in found if said in one], found
    assert len(found) == 1, found


def test_of_very_many_overlapping_globs_a_hundred_are_reported() -> None:
    globs = ", ".join(f"'*x{number}*'" for number in range(250))
    found = problems(f"segments:\n  a: {{members: [{globs}]}}\n  b: {{members: [{globs}]}}\n")
    assert len(found) == 101
    assert "100 overlaps of globs are reported" in found[-1]


def test_all_problems_of_both_files_come_in_one_run_in_file_order() -> None:
    found = problems(
        """mode: loud
segments:
  a: {publish: [x], memebers: [], limits: {burst: no}}
  b: {members: [7], namespace: a/b}
  a: {}
conduits:
  c: {from: a, to: nowhere, topics: [a/x]}
  d: {from: a}
""",
        "  d: {mac: x}\n  e: {segment: z}\n",
    )
    places = [":".join(one.split(":")[:2]) for one in found]
    assert places == ["p:3", "p:5", "p:5", "p:5", "p:6", "p:6", "p:7", "p:9", "p:10", "p:10", "d:3", "d:4"]


def test_a_damaged_namespace_raises_no_second_problem_about_grants() -> None:
    found = problems("segments: {a: {namespace: ['s/#'], publish: ['s/x']}, b: {namespace: t, publish: [u]}}\n")
    assert [one.split(": ")[1].split(" ")[0] for one in found] == ["segments.a.namespace[1]", "u"]


def test_a_damaged_segment_counts_as_known_to_those_that_name_it() -> None:
    found = problems("segments: {a: 1, b: {}}\nconduits: {c: {from: a, to: b, topics: [a/x]}}\n", "  d: {segment: a}")
    assert found == ["p:3:15: segments.a is a number, not a mapping; write KEY: VALUE"]


def test_a_policy_without_its_head_still_names_all_problems() -> None:
    with pytest.raises(ConfigurationError) as caught:
        policy_of(parse_document("version: 2\nsegments: {a: {publish: [b]}}\n", "p"))
    said = [problem.what for problem in caught.value.problems]
    assert said[0] == "the file lacks the key trust_domain"
    assert said[1] == "version is '2'"
    assert said[2].startswith("b reaches outside")


@pytest.mark.parametrize("contents", ["", "# nothing\n", "\n\n", "---\n", "a", "[]", "null", "{}", "version: 1\n"])
def test_a_policy_with_nothing_in_it_is_refused_not_open(contents: str) -> None:
    """CVE-2018-12550: an empty or comment-only file must not mean that everything is allowed."""
    with pytest.raises(ConfigurationError):
        policy_of(parse_document(contents, "p"))


def test_a_missing_inventory_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the file"):
        load_policy(CONFIGS / "policy.yaml", tmp_path / "devices.yaml")


def rules_of(loaded: Policy) -> set[str]:
    rules: set[str] = set()
    for segment in loaded.segments.values():
        rules |= {rule.filter for rule in (*segment.namespace, *segment.deny)}
        for role in (segment.base, *segment.roles.values()):
            rules |= {rule.filter for rule in (*(role.publish or ()), *(role.subscribe or ()), *role.deny)}
    return rules | {rule.filter for conduit in loaded.conduits.values() for rule in conduit.topics}


def loads_or_refuses(text: str) -> Policy | None:
    try:
        return policy_of(parse_document(text, "p"))
    except ConfigurationError as error:
        if not error.problems:
            raise AssertionError("refused without a reason") from error
        return None


LINES = EXAMPLE.splitlines(keepends=True)
WRITTEN = rules_of(policy_of(parse_document(EXAMPLE, "p"))) | {"reports"}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(EXAMPLE)))
def test_a_truncated_policy_grants_nothing_that_was_not_written(at: int) -> None:
    """CVE-2018-12551: a malformed line must not become a grant."""
    loaded = loads_or_refuses(EXAMPLE[:at])
    assert loaded is None or rules_of(loaded) <= WRITTEN


@pytest.mark.parametrize("at", range(len(LINES)))
def test_a_policy_without_one_line_grants_nothing_that_was_not_written(at: int) -> None:
    loaded = loads_or_refuses("".join(LINES[:at] + LINES[at + 1 :]))
    assert loaded is None or rules_of(loaded) <= WRITTEN


@pytest.mark.parametrize("at", range(len(LINES)))
def test_a_policy_with_one_line_twice_grants_nothing_that_was_not_written(at: int) -> None:
    loaded = loads_or_refuses("".join(LINES[: at + 1] + LINES[at:]))
    assert loaded is None or rules_of(loaded) <= WRITTEN


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(EXAMPLE) - 1), st.characters(codec="utf-8"))
def test_a_policy_with_one_character_changed_is_a_policy_or_refused(at: int, character: str) -> None:
    loads_or_refuses(EXAMPLE[:at] + character + EXAMPLE[at + 1 :])


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_policy_with_its_lines_shuffled_is_a_policy_or_refused(shuffle: random.Random) -> None:
    lines = LINES[:]
    for _ in range(3):
        one, other = shuffle.randrange(len(lines)), shuffle.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
    loads_or_refuses("".join(lines))


PLAIN = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["a", "#", "a/#"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "segments",
                    "conduits",
                    "tests",
                    "network",
                    "a",
                    "members",
                    "publish",
                    "namespace",
                    "roles",
                    "from",
                    "to",
                    "topics",
                    "limits",
                    "allow",
                    "isolated",
                    "device",
                    "can",
                    "services",
                    "broker",
                    "by-name",
                    "[key]",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(PLAIN)
def test_any_shape_of_values_is_a_policy_or_refused(value: object) -> None:
    loads_or_refuses(f"{HEAD}segments: {flow(value)}\n")
    loads_or_refuses(f"{HEAD}segments: {{a: {flow(value)}}}\nconduits: {flow(value)}\ntests: {flow(value)}\n")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    loads_or_refuses(text)
    loads_or_refuses(f"{HEAD}segments:\n  a:\n    publish: [{text}]\n")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_policy_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "p.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError):
        load_policy(path)


def flow(value: object) -> str:
    """A value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "null" if value is None else str(value).lower()
