"""The rules D1 to D8, O1 and O2 of decide.py: each table's rule on top, verdict and reason in each row."""

from __future__ import annotations

import pytest

from mqttseg.errors import Reason
from mqttseg.policy.decide import Decision, decide
from mqttseg.policy.model import Action, Mode, Width
from tests.policy.policy_values import compiled, conduit, device, role, segment

PUBLISH, SUBSCRIBE, RECEIVE = Action.PUBLISH, Action.SUBSCRIBE, Action.RECEIVE

SITE = compiled(
    [
        segment(
            "hvac",
            ["thermo-*"],
            publish=["hvac/${device}/#"],
            subscribe=["hvac/${device}/cmd/#", "hvac/all/#", "$SYS/broker/uptime"],
            deny=["hvac/+/factory/#"],
            roles=[
                role("controller", ["bms-1"], publish=["hvac/+/cmd/#"], subscribe=["hvac/#"]),
                role("silent", ["mute-1"], publish=[], subscribe=[]),
                role("sender", ["send-1"], publish=["hvac/x"]),
            ],
        ),
        segment("cameras", ["cam-*"]),
        segment("analytics", ["etl-*"], roles=[role("chief", ["chief-1"], publish=[], subscribe=["$SYS/#"])]),
        segment("lights", ["lamp-*"], namespace=["tele/${device}", "cmnd/${device}"]),
        segment("plugs", ["plug-*"], namespace=["tele/${device}"]),
        segment("lax", ["lax-*"], publish=["lax/a/#"], subscribe=["lax/a/#"], deny=["lax/a/no/#"], width=Width.NARROW),
    ],
    [
        conduit("hvac", "analytics", ["hvac/+/telemetry/#", "hvac/+/factory/#"]),
        conduit("analytics/chief", "hvac", ["hvac/+/setpoint"]),
        conduit("lights", "analytics", ["tele/${device}/power"]),
        conduit("cameras", "lax", ["cameras/alarm"]),
    ],
)


def _judge(device_id: str, action: Action, topic: str) -> Decision:
    return decide(SITE.rights(device_id), action, topic)


@pytest.mark.parametrize(
    ("device_id", "action", "topic", "reason"),
    [
        # D1: what MQTT does not allow is refused before anything else is asked
        ("thermo-1", PUBLISH, "", "invalid-topic"),
        ("thermo-1", PUBLISH, "hvac/thermo-1/+", "invalid-topic"),
        ("thermo-1", PUBLISH, "hvac/thermo-1/#", "invalid-topic"),
        ("thermo-1", RECEIVE, "hvac/all/\0", "invalid-topic"),
        ("thermo-1", SUBSCRIBE, "hvac/all#", "invalid-topic"),
        ("thermo-1", SUBSCRIBE, "hvac/#/x", "invalid-topic"),
        ("stranger", PUBLISH, "a#", "invalid-topic"),
        # D2: $ topics are nobody's; $SYS is received where a role lists it
        ("thermo-1", SUBSCRIBE, "$SYS/broker/uptime", "ok"),
        ("thermo-1", RECEIVE, "$SYS/broker/uptime", "ok"),
        ("thermo-1", PUBLISH, "$SYS/broker/uptime", "system-topic"),
        ("thermo-1", SUBSCRIBE, "$SYS/#", "filter-too-wide"),
        ("thermo-1", SUBSCRIBE, "$SYS/other", "system-topic"),
        ("thermo-1", RECEIVE, "$SYS/other", "system-topic"),
        ("chief-1", SUBSCRIBE, "$SYS/#", "ok"),
        ("chief-1", RECEIVE, "$SYS", "ok"),
        ("chief-1", SUBSCRIBE, "+/broker", "not-granted"),
        ("cam-1", SUBSCRIBE, "$SYS/#", "system-topic"),
        ("cam-1", SUBSCRIBE, "$share/g/cameras/#", "system-topic"),
        ("cam-1", SUBSCRIBE, "$queue/cameras/#", "system-topic"),
        ("cam-1", PUBLISH, "$share/g/cameras/a", "system-topic"),
        ("cam-1", PUBLISH, "$aws/things", "system-topic"),
        ("cam-1", PUBLISH, "cameras/$SYS", "ok"),
        ("stranger", SUBSCRIBE, "$SYS/#", "system-topic"),
        # D3: no segment, no rights; an id that cannot be one, neither
        ("stranger", PUBLISH, "cameras/x", "no-segment"),
        ("stranger", SUBSCRIBE, "#", "no-segment"),
        ("stranger", RECEIVE, "nowhere", "no-segment"),
        ("cam-+", PUBLISH, "cameras/x", "identity-invalid"),
        ("cam-1/#", SUBSCRIBE, "cameras/x", "identity-invalid"),
        ("", PUBLISH, "cameras/x", "identity-invalid"),
        ("cam-" + "x" * 61, PUBLISH, "cameras/x", "identity-invalid"),
        # D4: a deny beats every grant and conduit, in both directions
        ("thermo-1", PUBLISH, "hvac/thermo-1/factory/reset", "denied-by-rule"),
        ("bms-1", RECEIVE, "hvac/thermo-1/factory", "denied-by-rule"),
        ("bms-1", SUBSCRIBE, "hvac/+/factory/#", "denied-by-rule"),
        ("bms-1", SUBSCRIBE, "hvac/thermo-1/factory/reset", "denied-by-rule"),
        ("etl-1", RECEIVE, "hvac/thermo-1/factory/log", "ok"),  # hvac's denies bind hvac's devices
        # D5: grants, ${device} filled in
        ("thermo-1", PUBLISH, "hvac/thermo-1", "ok"),
        ("thermo-1", PUBLISH, "hvac/thermo-1/telemetry/temp", "ok"),
        ("thermo-1", SUBSCRIBE, "hvac/thermo-1/cmd/#", "ok"),
        ("thermo-1", SUBSCRIBE, "hvac/all/news/#", "ok"),
        ("bms-1", PUBLISH, "hvac/thermo-1/cmd/set", "ok"),
        ("send-1", PUBLISH, "hvac/x", "ok"),
        # ... a role that omits both lists has the whole namespace, other members' branches included
        ("cam-1", PUBLISH, "cameras/cam-2/still", "ok"),
        ("cam-1", SUBSCRIBE, "cameras/#", "ok"),
        ("lamp-1", PUBLISH, "cmnd/lamp-2/power", "ok"),
        ("lamp-1", SUBSCRIBE, "tele/lamp-2/#", "ok"),
        # ... conduits: topics of ``from`` are received by ``to``; topics of ``to`` are published by ``from``
        ("etl-1", SUBSCRIBE, "hvac/+/telemetry/#", "ok"),
        ("etl-1", RECEIVE, "hvac/thermo-1/telemetry/temp", "ok"),
        ("etl-1", PUBLISH, "hvac/thermo-1/telemetry/temp", "outside-segment"),
        ("chief-1", PUBLISH, "hvac/thermo-1/setpoint", "ok"),
        ("chief-1", RECEIVE, "hvac/thermo-1/setpoint", "outside-segment"),
        ("etl-1", PUBLISH, "hvac/thermo-1/setpoint", "outside-segment"),  # the end is one role
        ("etl-1", RECEIVE, "tele/lamp-1/power", "ok"),
        ("etl-1", RECEIVE, "tele/plug-1/power", "outside-segment"),  # not a member of the conduit's segment
        ("etl-1", SUBSCRIBE, "tele/lamp-1/power", "ok"),
        # D7: some, but not all, is allowed
        ("bms-1", SUBSCRIBE, "hvac/#", "filter-too-wide"),  # it holds a deny
        ("bms-1", SUBSCRIBE, "hvac/+/+", "filter-too-wide"),
        ("bms-1", SUBSCRIBE, "#", "filter-too-wide"),
        ("thermo-1", SUBSCRIBE, "hvac/all/#", "filter-too-wide"),  # hvac/all/factory is in it
        ("thermo-1", SUBSCRIBE, "hvac/+/cmd/#", "filter-too-wide"),
        ("cam-1", SUBSCRIBE, "+/cam-1", "filter-too-wide"),
        ("lamp-1", SUBSCRIBE, "tele/+/#", "filter-too-wide"),  # plugs report there, too
        ("etl-1", SUBSCRIBE, "tele/+/power", "filter-too-wide"),
        # D8: anything else
        ("thermo-1", PUBLISH, "hvac/thermo-2/telemetry/temp", "not-granted"),
        ("thermo-1", PUBLISH, "hvac", "not-granted"),
        ("thermo-1", SUBSCRIBE, "hvac/thermo-2/#", "not-granted"),
        ("thermo-1", RECEIVE, "hvac/thermo-2/cmd", "not-granted"),
        ("mute-1", PUBLISH, "hvac/x", "not-granted"),
        ("mute-1", SUBSCRIBE, "#", "not-granted"),
        ("send-1", SUBSCRIBE, "hvac/x", "not-granted"),  # only publish is listed: nothing the other way
        ("thermo-1", PUBLISH, "cameras/cam-1", "outside-segment"),
        ("thermo-1", PUBLISH, "hvacx/thermo-1", "outside-segment"),
        ("thermo-1", PUBLISH, "HVAC/thermo-1", "outside-segment"),
        ("thermo-1", PUBLISH, "/hvac/thermo-1", "outside-segment"),
        ("thermo-1", PUBLISH, "nobody/s", "outside-segment"),
        ("thermo-1", SUBSCRIBE, "cameras/#", "outside-segment"),
        ("lamp-1", PUBLISH, "tele/plug-1/power", "outside-segment"),
        ("lamp-1", PUBLISH, "tele/stranger/power", "outside-segment"),
        ("lamp-1", SUBSCRIBE, "tele/plug-1/#", "outside-segment"),
        ("lamp-1", SUBSCRIBE, "cmnd", "outside-segment"),
    ],
)
def test_enforced(device_id: str, action: Action, topic: str, reason: str) -> None:
    decision = _judge(device_id, action, topic)
    assert decision.reason == reason
    assert decision.allowed is decision.passes is (reason == "ok")
    assert not decision.narrowed


@pytest.mark.parametrize(
    ("device_id", "action", "topic", "rule"),
    [
        # the rule that decided, as written
        ("thermo-1", PUBLISH, "hvac/thermo-1/x", "hvac/${device}/#"),
        ("thermo-1", PUBLISH, "hvac/thermo-1/factory", "hvac/+/factory/#"),
        ("bms-1", SUBSCRIBE, "hvac/#", "hvac/+/factory/#"),
        ("etl-1", RECEIVE, "tele/lamp-1/power", "tele/${device}/power"),
        ("cam-1", SUBSCRIBE, "cameras/+", "cameras"),
        ("thermo-1", SUBSCRIBE, "+/thermo-1/cmd/x", "hvac/${device}/cmd/#"),
        # D8: the namespace that stands in the way; on nobody's ground, the device's own
        ("thermo-1", PUBLISH, "hvac/thermo-2/x", "hvac"),
        ("thermo-1", PUBLISH, "cameras/x", "cameras"),
        ("thermo-1", SUBSCRIBE, "cameras/#", "cameras"),
        ("lamp-1", PUBLISH, "tele/plug-1/x", "tele/${device}"),
        ("thermo-1", PUBLISH, "nobody/s", "hvac"),
        ("thermo-1", SUBSCRIBE, "nobody/s", "hvac"),
        ("stranger", PUBLISH, "cameras/x", None),
        ("cam-1", PUBLISH, "$SYS/x", None),
    ],
)
def test_the_rule_that_decided(device_id: str, action: Action, topic: str, rule: str | None) -> None:
    found = _judge(device_id, action, topic).rule
    assert (found.filter if found else None) == rule


@pytest.mark.parametrize(
    ("text", "allowed", "reason", "narrowed"),
    [
        # D7 with ``subscriptions: narrow``: accepted if anything at all can be delivered
        ("#", True, "ok", True),
        ("lax/#", True, "ok", True),
        ("lax/a/#", True, "ok", True),  # it holds a deny
        ("lax/a/x/#", True, "ok", False),
        ("+/alarm", True, "ok", True),
        ("lax/a/no/+", False, "denied-by-rule", False),
        ("lax/b/#", False, "not-granted", False),
        ("hvac/#", False, "outside-segment", False),
        ("$SYS/#", False, "system-topic", False),
    ],
)
def test_narrowing_segment(text: str, allowed: bool, reason: str, narrowed: bool) -> None:
    decision = _judge("lax-1", SUBSCRIBE, text)
    assert (decision.allowed, decision.reason, decision.narrowed) == (allowed, reason, narrowed)


def test_a_narrowed_filter_delivers_only_what_is_allowed() -> None:
    assert _judge("lax-1", RECEIVE, "lax/a/x").allowed
    assert not _judge("lax-1", RECEIVE, "lax/a/no").passes
    assert not _judge("lax-1", RECEIVE, "hvac/x").passes


REST = compiled(
    [
        segment("site", ["old-*"], namespace=["#"]),
        segment("listed", ["new-*"], namespace=["new", "${segment}/${device}"]),
        segment("vault", ["v-1"]),
    ],
    [
        conduit("vault", "site", ["vault/public/#", "vault/public"]),
        conduit("site", "vault", ["+/alarm"]),
        conduit("site", "listed", ["#"]),
    ],
)


@pytest.mark.parametrize(
    ("device_id", "action", "topic", "reason"),
    [
        # the namespace # owns every topic that no other segment owns
        ("old-1", PUBLISH, "anything/at/all", "ok"),
        ("old-1", PUBLISH, "new/x", "outside-segment"),
        ("old-1", PUBLISH, "listed/new-1", "outside-segment"),
        ("old-1", PUBLISH, "listed/old-1", "ok"),  # the template stands for members only
        ("old-1", SUBSCRIBE, "building/#", "ok"),
        ("old-1", SUBSCRIBE, "building/+", "ok"),
        ("old-1", SUBSCRIBE, "#", "filter-too-wide"),
        ("old-1", SUBSCRIBE, "+/x", "filter-too-wide"),
        ("old-1", SUBSCRIBE, "listed/+", "filter-too-wide"),
        ("old-1", SUBSCRIBE, "new/#", "outside-segment"),
        ("old-1", PUBLISH, "$SYS/x", "system-topic"),
        # ... together with what conduits bring from the others
        ("old-1", RECEIVE, "vault/public/x", "ok"),
        ("old-1", SUBSCRIBE, "vault/public/#", "ok"),
        ("old-1", SUBSCRIBE, "vault/#", "filter-too-wide"),
        # ... and a conduit from it carries only what it owns
        ("v-1", RECEIVE, "building/alarm", "ok"),
        ("v-1", RECEIVE, "new/alarm", "outside-segment"),
        ("v-1", SUBSCRIBE, "+/alarm", "filter-too-wide"),
        ("new-1", RECEIVE, "building/alarm", "ok"),
        ("new-1", RECEIVE, "vault/x", "outside-segment"),
        ("new-1", SUBSCRIBE, "#", "filter-too-wide"),
        ("new-1", SUBSCRIBE, "building/#", "ok"),
    ],
)
def test_the_segment_that_owns_the_rest(device_id: str, action: Action, topic: str, reason: str) -> None:
    assert decide(REST.rights(device_id), action, topic).reason == reason


WATCHED = compiled(
    [
        segment("hvac", ["thermo-*"], publish=["hvac/a"], subscribe=["hvac/a"], deny=["hvac/no"], mode=Mode.OBSERVE),
        segment("vault", ["v-*"]),
        segment("yard", ["y-*"], mode=Mode.OBSERVE),
    ],
    [
        conduit("vault", "hvac", ["vault/trial/#"], mode=Mode.OBSERVE),
        conduit("vault", "yard", ["vault/open"]),
        conduit("yard", "vault", ["vault/in"], mode=Mode.OBSERVE),
    ],
)


@pytest.mark.parametrize(
    ("device_id", "action", "topic", "reason", "observed"),
    [
        # a segment in observe mode: refusals are let through and recorded
        ("thermo-1", PUBLISH, "hvac/a", "ok", False),
        ("thermo-1", PUBLISH, "hvac/b", "not-granted", True),
        ("thermo-1", PUBLISH, "hvac/no", "denied-by-rule", True),
        ("thermo-1", PUBLISH, "nobody/s", "outside-segment", True),
        ("thermo-1", PUBLISH, "yard/x", "outside-segment", True),
        ("thermo-1", SUBSCRIBE, "#", "filter-too-wide", True),
        ("thermo-1", SUBSCRIBE, "hvac/b", "not-granted", True),
        ("thermo-1", SUBSCRIBE, "yard/#", "outside-segment", True),
        # O1: but not into a segment that enforces
        ("thermo-1", PUBLISH, "vault/x", "outside-segment", False),
        ("thermo-1", RECEIVE, "vault/x", "outside-segment", False),
        ("thermo-1", SUBSCRIBE, "vault/#", "outside-segment", False),
        ("thermo-1", SUBSCRIBE, "vault/x", "outside-segment", False),
        ("thermo-1", SUBSCRIBE, "+/x", "not-granted", True),  # its deliveries are judged one by one
        # O2: $ topics and invalid topics never
        ("thermo-1", PUBLISH, "$SYS/x", "system-topic", False),
        ("thermo-1", SUBSCRIBE, "$share/g/hvac/a", "system-topic", False),
        ("thermo-1", PUBLISH, "hvac/#", "invalid-topic", False),
        # a segment that enforces, while others observe
        ("v-1", PUBLISH, "hvac/a", "outside-segment", False),
        ("stranger", PUBLISH, "hvac/a", "no-segment", False),
        # D6: a conduit on trial grants nothing, lets through, and is recorded
        ("thermo-1", RECEIVE, "vault/trial/x", "outside-segment", True),
        ("thermo-1", SUBSCRIBE, "vault/trial/#", "outside-segment", True),
        ("y-1", RECEIVE, "vault/open", "ok", False),
        ("y-1", PUBLISH, "vault/in", "outside-segment", True),
        ("y-1", PUBLISH, "vault/open", "outside-segment", False),
    ],
)
def test_observed(device_id: str, action: Action, topic: str, reason: str, observed: bool) -> None:
    decision = decide(WATCHED.rights(device_id), action, topic)
    assert (decision.reason, decision.observed) == (reason, observed)
    assert decision.allowed is (reason == "ok")
    assert decision.passes is (decision.allowed or observed)


def test_a_trial_names_the_conduits_topic() -> None:
    rights = WATCHED.rights("thermo-1")
    for action, topic in ((RECEIVE, "vault/trial/x"), (SUBSCRIBE, "vault/trial/+")):
        rule = decide(rights, action, topic).rule
        assert rule is not None
        assert rule.filter == "vault/trial/#"


OBSERVING = compiled(
    [segment("hvac", ["thermo-*"]), segment("vault", ["v-*"], mode=Mode.ENFORCE), segment("yard", ["y-*"])],
    [conduit("hvac", "yard", ["hvac/out"])],
    mode=Mode.OBSERVE,
)


@pytest.mark.parametrize(
    ("device_id", "action", "topic", "reason", "observed"),
    [
        # the policy's mode holds for segments without one of their own, and for devices in none
        ("thermo-1", PUBLISH, "yard/x", "outside-segment", True),
        ("thermo-1", PUBLISH, "vault/x", "outside-segment", False),
        ("v-1", PUBLISH, "yard/x", "outside-segment", False),
        ("stranger", PUBLISH, "yard/x", "no-segment", True),
        ("stranger", SUBSCRIBE, "#", "no-segment", True),
        ("stranger", PUBLISH, "vault/x", "no-segment", False),
        ("stranger", SUBSCRIBE, "vault/#", "no-segment", False),
        ("str+nger", PUBLISH, "yard/x", "identity-invalid", False),
        # a conduit without a mode of its own grants as ever
        ("y-1", RECEIVE, "hvac/out", "ok", False),
    ],
)
def test_policy_in_observe_mode(device_id: str, action: Action, topic: str, reason: str, observed: bool) -> None:
    decision = decide(OBSERVING.rights(device_id), action, topic)
    assert (decision.reason, decision.observed) == (reason, observed)


TEXTS = compiled(
    [
        segment(
            "s",
            ["d1", "d2", "d1d1"],
            publish=["s/in-${device}", "s/${device}-out", "s/${device}_${device}", "s/${device}/${device}"],
            subscribe=["s/+/a", "s/${device}/#"],
        ),
        segment("t", ["x", "y"], namespace=["t/n-${device}"]),
    ]
)


@pytest.mark.parametrize(
    ("device_id", "action", "topic", "allowed"),
    [
        # ${device} inside a level: the text around it and the whole id, nothing less, nothing more
        ("d1", PUBLISH, "s/in-d1", True),
        ("d1", PUBLISH, "s/in-d1d1", False),
        ("d1d1", PUBLISH, "s/in-d1", False),
        ("d1", PUBLISH, "s/d1-out", True),
        ("d1", PUBLISH, "s/-out", False),
        ("d1", PUBLISH, "s/in-", False),
        ("d1", PUBLISH, "s/d1_d1", True),
        ("d1", PUBLISH, "s/d1_d2", False),
        ("d1", PUBLISH, "s/d1/d1", True),
        ("d1", PUBLISH, "s/d1/d2", False),
        ("d1", PUBLISH, "s/${device}/${device}", False),
        ("d1", SUBSCRIBE, "s/${device}/#", False),
        ("d1", SUBSCRIBE, "s/d1/#", True),
        ("d1", SUBSCRIBE, "s/+/#", False),
        ("x", PUBLISH, "t/n-y/a", True),
        ("x", PUBLISH, "t/n-z/a", False),
        ("x", PUBLISH, "t/n-/a", False),
        ("x", SUBSCRIBE, "t/n-y/#", True),
        ("x", SUBSCRIBE, "t/+/#", False),
    ],
)
def test_device_templates(device_id: str, action: Action, topic: str, allowed: bool) -> None:
    assert decide(TEXTS.rights(device_id), action, topic).allowed is allowed


UNION = compiled(
    [
        segment("s", ["u-1"], subscribe=["s/a", "s/a/+/#", "s/b/+", "s/b"], deny=["s/a/x/y/z"]),
        segment("r", ["v-1"], subscribe=["r/a", "r/a/+/#", "r/b/+", "r/b"], namespace=["r"]),
    ]
)


@pytest.mark.parametrize(
    ("device_id", "text", "reason"),
    [
        # contained in the union, though in no single grant
        ("v-1", "r/a/#", "ok"),
        ("v-1", "r/b/#", "filter-too-wide"),
        ("v-1", "r/+", "filter-too-wide"),
        # minus the denies
        ("u-1", "s/a/#", "filter-too-wide"),
        ("u-1", "s/a/+", "ok"),
        ("u-1", "s/a/+/y/z", "filter-too-wide"),
        ("u-1", "s/a/q/#", "ok"),
    ],
)
def test_unions(device_id: str, text: str, reason: str) -> None:
    assert decide(UNION.rights(device_id), SUBSCRIBE, text).reason == reason


def test_a_filter_that_takes_too_long_to_judge_is_refused_as_too_wide() -> None:
    many = [f"s/d{number}/no" for number in range(30_000)]
    rights = compiled([segment("s", ["u-1"], deny=many)]).rights("u-1")
    assert decide(rights, SUBSCRIBE, "s/+/yes").reason is Reason.FILTER_TOO_WIDE
    assert decide(rights, SUBSCRIBE, "s/#").reason is Reason.FILTER_TOO_WIDE
    assert decide(rights, SUBSCRIBE, "s/d7/yes/#").allowed
    assert decide(rights, SUBSCRIBE, "s/d7/no").reason is Reason.DENIED_BY_RULE


@pytest.mark.parametrize("deepest", ["/" * 65_535, "+/" * 32_767 + "+", "s/" * 32_767 + "#"])
def test_the_deepest_filters_and_topics_are_judged(deepest: str) -> None:
    rights = compiled([segment("s", ["u-1"], deny=["s/+/+/x"]), segment("t", [])]).rights("u-1")
    assert decide(rights, SUBSCRIBE, deepest).reason in Reason
    assert decide(rights, PUBLISH, "s" + "/" * 65_534).allowed


def test_inventory_moves_a_device_and_its_topics() -> None:
    site = compiled(
        [
            segment("a", ["d-*"], namespace=["tele/${device}"]),
            segment("b", ["e-*"], namespace=["tele/${device}"]),
        ],
        devices=[device("d-2", "b")],
    )
    assert decide(site.rights("d-1"), PUBLISH, "tele/d-2/x").reason is Reason.OUTSIDE_SEGMENT
    assert decide(site.rights("e-1"), PUBLISH, "tele/d-2/x").allowed
    assert decide(site.rights("d-2"), PUBLISH, "tele/e-1/x").allowed


def test_a_namespace_of_dollar_topics_owns_nothing() -> None:
    rights = compiled([segment("s", ["u-1"], namespace=["$SYS", "s"])]).rights("u-1")
    assert decide(rights, RECEIVE, "$SYS/x").reason is Reason.SYSTEM_TOPIC
    assert decide(rights, SUBSCRIBE, "$SYS/#").reason is Reason.SYSTEM_TOPIC
