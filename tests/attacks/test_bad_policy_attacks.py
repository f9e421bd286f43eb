"""A policy that was damaged, by accident or on purpose, grants nothing: no start, and no change on reload (rule 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from amqtt.broker import Broker
from amqtt.errors import PluginInitError

from mqttseg.broker.run import amqtt_config
from mqttseg.errors import ConfigurationError, OperatorError, Reason
from mqttseg.observe.events import Kind
from mqttseg.policy.compiled import compile_policy
from mqttseg.policy.decide import decide
from mqttseg.policy.load import load_policy
from mqttseg.policy.model import Action
from tests.support.brokers import BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.sites import POLICY, TestSite
from tests.support.victims import Victim, Watch

NOW = datetime(2026, 11, 22, tzinfo=UTC)
GOOD = POLICY.strip().splitlines(keepends=True)

BAD = {
    "empty": "",
    "blank lines": "\n\n   \n",
    "only comments": "# version: 1\n# segments: {}\n",
    "only a document marker": "---\n",
    "null": "null\n",
    "a scalar": "allow\n",
    "a list": "- segments\n",
    "no version": "trust_domain: plant7.example\nsegments: {a: {members: ['*']}}\n",
    "another version": "version: 2\ntrust_domain: plant7.example\nsegments: {a: {members: ['*']}}\n",
    "no segments": "version: 1\ntrust_domain: plant7.example\n",
    "empty segments": "version: 1\ntrust_domain: plant7.example\nsegments: {}\n",
    "null segments": "version: 1\ntrust_domain: plant7.example\nsegments:\n",
    "no trust domain": "version: 1\nsegments: {a: {members: ['*']}}\n",
    "empty trust domain": "version: 1\ntrust_domain: ''\nsegments: {a: {members: ['*']}}\n",
    "tab": POLICY.replace("  cameras:", "\tcameras:"),
    "indented too far": POLICY.replace("    deny:", "      deny:"),
    "not UTF-8": POLICY.replace("cameras", "cam\udcffras"),
    "NUL": POLICY.replace("cameras", "cam\0eras"),
    "unclosed quote": POLICY.replace('["cam-*"]', '["cam-*]'),
    "unclosed list": POLICY.replace('["cam-*"]', '["cam-*"'),
    "unknown key": POLICY.replace("    deny:", "    denny:"),
    "key in capitals": POLICY.replace("    deny:", "    Deny:"),
    "duplicate key": POLICY.replace("    deny:", "    deny: []\n    deny:"),
    "duplicate segment": POLICY.replace("  lab:", "  cameras:\n    members: []\n  lab:"),
    "merge key": POLICY.replace("  lab:", "  lab: &lab").replace("  analytics:", "  analytics:\n    <<: *lab"),
    "unknown mode": POLICY.replace("segments:", "mode: off\nsegments:", 1),
    "unknown tag": POLICY.replace('deny: ["lab/sealed/#"]', "deny: !!python/object/apply:os.system ['true']"),
    "alias bomb": "a: &a [x,x]\n" + "".join(f"b{i}: &b{i} [*{'a' if not i else f'b{i - 1}'},*a]\n" for i in range(40)),
    "two documents": POLICY + "---\n" + POLICY,
    "grant outside the segment": POLICY.replace('"hvac/all/#"]\n    sub', '"#"]\n    sub'),
    "conduit to nowhere": POLICY.replace("to: analytics", "to: analitics"),
    "device in two segments": POLICY.replace('["cam-*"]', '["cam-*", "lab-*"]'),
    "overlapping namespaces": POLICY.replace("  cameras:", "  cameras:\n    namespace: hvac/cameras"),
    "illegal filter": POLICY.replace("lab/sealed/#", "lab/sealed#"),
    "a test that does not hold": POLICY + "tests:\n  - isolated: [hvac, analytics]\n",
    "number as a filter": POLICY.replace('["lab/sealed/#"]', "[1]"),
    "HTML": "<html><body>404 Not Found</body></html>\n",
    "merge conflict": "<<<<<<< HEAD\n" + POLICY + "=======\n" + POLICY + ">>>>>>> other\n",
}


def write(site: TestSite, text: str) -> None:
    (site.root / "configs" / "policy.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    return TestSite(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def broker(backend: BackendName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    with RunningBroker(TestSite(tmp_path_factory.mktemp("site"))) as running:
        yield running


@pytest.fixture(scope="module")
def victim(broker: RunningBroker) -> Iterator[Victim]:
    with Victim(broker) as one:
        yield one


def refusal(config: dict[str, Any]) -> BaseException | None:
    """Why our plugin refuses to be made, which is before anything listens: what stands behind amqtt's own error."""

    async def make() -> None:
        Broker(config)

    with pytest.raises(PluginInitError) as raised:
        asyncio.run(make())
    why: BaseException | None = raised.value.__cause__
    return why


class TestStart:
    @pytest.mark.parametrize("name", BAD)
    def test_broker_does_not_start_with_a_bad_policy(self, site: TestSite, name: str) -> None:
        write(site, BAD[name])
        why = refusal(amqtt_config(site.config, ()))
        assert isinstance(why, ConfigurationError)
        assert all(problem.source.file.endswith("policy.yaml") for problem in why.problems)

    def test_broker_does_not_start_without_a_policy(self, site: TestSite) -> None:
        (site.root / "configs" / "policy.yaml").unlink(missing_ok=True)
        assert isinstance(refusal(amqtt_config(site.config, ())), ConfigurationError)

    def test_broker_does_not_start_with_a_directory_for_a_policy(self, tmp_path: Path) -> None:
        site = TestSite(tmp_path)
        (site.root / "configs" / "policy.yaml").unlink()
        (site.root / "configs" / "policy.yaml").mkdir()
        assert isinstance(refusal(amqtt_config(site.config, ())), ConfigurationError)

    @pytest.mark.parametrize("kept", range(len(GOOD)))
    def test_policy_truncated_at_a_line_opens_no_segment(self, site: TestSite, kept: int) -> None:
        """Most are refused. A few happen to be whole policies: they still keep everybody in his own segment."""
        write(site, "".join(GOOD[:kept]))
        self.assert_no_way_across(site)

    @pytest.mark.parametrize("line", range(len(GOOD)))
    def test_policy_truncated_within_a_line_opens_no_segment(self, site: TestSite, line: int) -> None:
        for at in range(1, len(GOOD[line]), 5):
            write(site, "".join(GOOD[:line]) + GOOD[line][:at])
            self.assert_no_way_across(site)

    @staticmethod
    def assert_no_way_across(site: TestSite) -> None:
        try:
            policy = load_policy(site.root / "configs" / "policy.yaml")
        except ConfigurationError:
            return
        rights = compile_policy(policy, NOW)
        for device, topic in (
            ("cam-1", "hvac/x"),
            ("thermo-1", "cameras/x"),
            ("nobody", "hvac/x"),
            ("lab-1", "$SYS/x"),
        ):
            for action in Action:
                assert not decide(rights.rights(device), action, topic).passes


class TestUnguarded:
    """amqtt's own listeners would be a way past the guard."""

    @pytest.mark.parametrize(
        "listener",
        [
            {"type": "tcp", "bind": "127.0.0.1:0"},
            {"type": "ws", "bind": "127.0.0.1:0"},
            {"bind": "127.0.0.1:0"},
            {},
        ],
        ids=["tcp", "ws", "default type", "nothing"],
    )
    def test_unguarded_listener_refuses_to_start(self, site: TestSite, listener: dict[str, Any]) -> None:
        write(site, POLICY)
        why = refusal({**amqtt_config(site.config, ()), "listeners": {"default": listener}})
        assert isinstance(why, OperatorError)
        assert "external" in str(why)

    @pytest.mark.parametrize("kind", ["tcp", "ws", "external"])
    def test_any_listener_beside_the_guarded_one_refuses_to_start(self, site: TestSite, kind: str) -> None:
        write(site, POLICY)
        config = amqtt_config(site.config, ())
        config["listeners"]["side-door"] = {"type": kind, "bind": "127.0.0.1:0"}
        why = refusal(config)
        assert isinstance(why, OperatorError)
        assert "side-door" in str(why)


class TestReload:
    @pytest.mark.parametrize("name", BAD)
    def test_bad_policy_changes_nothing_and_cuts_nobody(self, broker: RunningBroker, victim: Victim, name: str) -> None:
        watch = Watch(broker)
        before = broker.do(lambda: broker.guard.compiled)
        write(broker.site, BAD[name])
        with pytest.raises(ConfigurationError):
            broker.do(broker.plugin.service.reload)
        watch.wait_for(Kind.POLICY, Reason.INVALID_CONFIGURATION)
        assert broker.do(lambda: broker.guard.compiled) is before
        victim.assert_unharmed()
        assert watch.count(Kind.CUT) == watch.count(Kind.DISCONNECT) == 0

    def test_old_policy_goes_on_denying_after_a_bad_reload(self, broker: RunningBroker, victim: Victim) -> None:
        write(broker.site, "")
        with pytest.raises(ConfigurationError):
            broker.do(broker.plugin.service.reload)
        watch = Watch(broker)
        with RawClient(broker.site.tls("thermo-1"), broker.port) as attacker:
            assert attacker.connect("thermo-1").code == 0
            assert attacker.subscribe("cameras/#", "#") == (0x80, 0x80)
            attacker.publish("cameras/cam-1/pulse", b"evil", qos=1)
        watch.wait_for(Kind.DENY, Reason.OUTSIDE_SEGMENT, "thermo-1")
        victim.assert_unharmed()

    @pytest.mark.parametrize(
        ("file", "content"),
        [
            ("ca.crt", b""),
            ("ca.crl", b""),
            ("ca.crl", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"),
            ("broker.crt", b"x"),
            ("broker.key", None),
        ],
    )
    def test_damaged_certificates_change_nothing(
        self, broker: RunningBroker, victim: Victim, file: str, content: bytes | None
    ) -> None:
        path = broker.site.root / "certs" / file
        good = path.read_bytes()
        write(broker.site, POLICY)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        try:
            with pytest.raises(ConfigurationError):
                broker.do(broker.plugin.service.reload)
            victim.assert_unharmed()
        finally:
            path.write_bytes(good)

    def test_damaged_revocation_list_forgives_nobody(self, tmp_path: Path) -> None:
        """The list in force stays: a revoked device does not come back because the list cannot be read."""
        with RunningBroker(TestSite(tmp_path)) as broker:
            context = broker.site.tls("cam-2")
            broker.site.authority.revoke("cam-2")
            broker.do(broker.plugin.service.refresh_revocations)
            watch = Watch(broker)
            (broker.site.root / "certs" / "ca.crl").write_bytes(b"")
            watch.wait_for(Kind.ERROR, Reason.INVALID_CONFIGURATION)
            with RawClient(context, broker.port) as stolen:
                stolen.expect_end()
            watch.wait_for(Kind.REFUSE, Reason.CERTIFICATE_REVOKED)
            (broker.site.root / "certs" / "ca.crl").unlink()
            with RawClient(context, broker.port) as stolen:
                stolen.expect_end()

    def test_good_policy_after_bad_ones_is_taken(self, broker: RunningBroker, victim: Victim) -> None:
        write(broker.site, POLICY)
        broker.do(broker.plugin.service.reload)
        victim.assert_unharmed()
