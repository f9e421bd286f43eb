"""mqttseg.yaml: every key has its default, every mistake its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqttseg.config import (
    ENVIRONMENT,
    PLACES,
    Audit,
    BrokerLimits,
    ClientIds,
    Config,
    Durability,
    Endpoint,
    Events,
    config_of,
    find_config,
    load_config,
    parse_endpoint,
)
from mqttseg.errors import ConfigurationError, OperatorError
from mqttseg.observe.detect.settings import Settings
from mqttseg.pki.identity import IdentitySource
from mqttseg.policy.document import parse_document

CONFIGS = Path(__file__).parents[1] / "configs"
SITE = Path("/srv/site/configs/mqttseg.yaml")
DEFAULT_LIMITS = BrokerLimits(
    packet=256 * 1024,
    connect_timeout=5.0,
    handshake_timeout=10.0,
    queue=1000,
    keep_alive_max=1200.0,
    connections_per_device=10,
    write_buffer=1024 * 1024,
    retained=10_000,
    retained_per_device=2000,
    retained_bytes_per_device=32 << 20,
    pending_handshakes=4096,
    client_subscriptions=1000,
)


def config(text: str) -> Config:
    return config_of(parse_document(text, "m"), SITE)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        config(text)
    return [str(problem) for problem in caught.value.problems]


def test_every_key_has_a_default() -> None:
    assert config("{}") == Config(
        path=SITE,
        policy=Path("/srv/site/configs/policy.yaml"),
        devices=None,
        certs=Path("/srv/site/certs"),
        state=Path("/srv/site/state"),
        listen=(Endpoint("mqtts", "0.0.0.0", 8883), Endpoint("mqtts", "::", 8883)),
        identity=IdentitySource.SAN_URI,
        client_id=ClientIds.BOUND,
        durability=Durability.COMMIT,
        limits=DEFAULT_LIMITS,
        crl=Path("/srv/site/certs/ca.crl"),
        metrics=None,
        audit=Audit(Path("/srv/site/state/audit.jsonl"), 90 * 86400.0),
        events=Events(90 * 86400.0, 1 << 30),
        detect=Settings(),
    )


def test_the_shipped_example_holds_the_defaults() -> None:
    shipped = load_config(CONFIGS / "mqttseg.yaml")
    plain = config_of(parse_document("{}", "m"), CONFIGS / "mqttseg.yaml")
    assert shipped == plain
    assert shipped.devices == CONFIGS / "devices.yaml"


def test_every_key_can_be_set() -> None:
    made = config(
        """
policy: /etc/p.yaml
devices: d.yaml
certs: c
state: /var/lib/s
listen: ["mqtts://[2001:DB8::1]:0", "mqtts://broker.plant7.example:1", "mqtts://127.0.0.1"]
identity: {from: cn}
client_id: any
durability: off
limits: {packet: 1000, connect_timeout: 500ms, keep_alive_max: 1h, retained: 1}
crl: off
metrics: http://127.0.0.1:9883
audit: {file: /var/log/a, keep: 1d}
events: {keep: 7d, size: 64MiB}
"""
    )
    assert made.policy == Path("/etc/p.yaml")
    assert made.devices == Path("/srv/site/configs/d.yaml")
    assert [str(one) for one in made.listen] == [
        "mqtts://[2001:db8::1]:0",
        "mqtts://broker.plant7.example:1",
        "mqtts://127.0.0.1:8883",
    ]
    assert (made.identity, made.client_id, made.durability) == (IdentitySource.CN, ClientIds.ANY, Durability.OFF)
    assert (made.limits.packet, made.limits.connect_timeout, made.limits.keep_alive_max) == (1000, 0.5, 3600.0)
    assert made.limits.queue == DEFAULT_LIMITS.queue
    assert made.crl is None
    assert made.metrics == Endpoint("http", "127.0.0.1", 9883)
    assert made.audit == Audit(Path("/var/log/a"), 86400.0)
    assert made.events == Events(7 * 86400.0, 64 << 20)
    assert made.event_store == made.state / "events.db"


def test_one_listener_needs_no_list() -> None:
    assert config("listen: mqtts://localhost:1883\n").listen == (Endpoint("mqtts", "localhost", 1883),)


def test_a_list_of_revoked_certificates_moves_with_the_certificates() -> None:
    assert config("certs: /c\n").crl == Path("/c/ca.crl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "m:1:1: the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("lisen: []\n", "m:1:1: unknown key 'lisen'; did you mean listen?"),
        ("listen: []\n", "listen has fewer than 1 entries"),
        (
            "listen: ['mqtt://0.0.0.0:1883']\n",
            "m:1:10: listen[1]: 'mqtt://0.0.0.0:1883' is not a mqtts address; write mqtts://",
        ),
        ("listen: ['mqtts://0.0.0.0:65536']\n", "has a port above 65535"),
        ("listen: ['mqtts://::1:8883']\n", "is not a mqtts address"),
        ("listen: ['mqtts://[::1:8883']\n", "is not a mqtts address"),
        ("listen: ['mqtts://[1::2::3]:1']\n", "At most one '::'"),
        ("listen: ['mqtts://1.2.3.400:1']\n", "400"),
        ("listen: ['mqtts://host_name:1']\n", "names no host"),
        ("listen: ['mqtts://user@host:1']\n", "is not a mqtts address"),
        ("listen: 8883\n", "m:1:9: listen is a number, not text"),
        ("client_id: bund\n", "client_id is 'bund'; use 'bound' or 'any'"),
        ("identity: cn\n", "identity is text, not a mapping"),
        ("identity: {from: user}\n", "m:1:18: identity.from is 'user'"),
        ("limits: {packet: 0}\n", "limits.packet is 0; write a number of at least 1"),
        ("limits: {packet: 64 parsecs}\n", "'64 parsecs' is not a size"),
        ("limits: {connect_timeout: 5}\n", "5 is not a duration; write a number with its unit"),
        ("limits: {connect_timeout: 0s}\n", "limits.connect_timeout is 0s; write a number of more than 0"),
        ("limits: {queue: yes}\n", "limits.queue is text, not a whole number"),
        ("limits: {queue: 0100}\n", "disagree about"),
        ("metrics: on\n", "'on' is not a http address; write http://127.0.0.1:9883, or off"),
        ("metrics: false\n", 'metrics is a boolean, not text; write "false" in quotes'),
        ("policy:\n", "policy is empty; write its value, or remove it"),
        ("policy: ''\n", "names no file"),
        ("audit: {kep: 1d}\n", "unknown key 'kep' in audit; did you mean keep?"),
    ],
)
def test_what_is_wrong_is_said_with_place_and_remedy(text: str, said: str) -> None:
    found = problems(text)
    assert len(found) == 1, found
    assert said in found[0]


def test_all_problems_come_in_one_run_in_file_order() -> None:
    found = problems("limits: {queue: x}\nlisten: [a, b]\nfoo: 1\nclient_id: c\n")
    assert [one.split(":")[1] for one in found] == ["1", "2", "2", "3", "4"]


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the file"):
        load_config(tmp_path / "mqttseg.yaml")


def test_the_configuration_is_the_one_named_then_the_environments_then_the_first_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(Path("x.yaml"), {ENVIRONMENT: "y.yaml"}) == Path("x.yaml")
    assert find_config(None, {ENVIRONMENT: "y.yaml"}) == Path("y.yaml")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mqttseg.yaml").write_text("{}")
    assert find_config(None, {ENVIRONMENT: ""}) == Path("configs/mqttseg.yaml")


def test_a_site_made_in_etc_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path("/etc/mqttseg/configs/mqttseg.yaml") == PLACES[-1]
    monkeypatch.setattr("mqttseg.config.PLACES", tuple(tmp_path / place.relative_to(place.anchor) for place in PLACES))
    made = tmp_path / "etc/mqttseg/configs/mqttseg.yaml"
    made.parent.mkdir(parents=True)
    made.write_text("{}")
    assert find_config(None, {}) == made
    (made.parents[1] / "mqttseg.yaml").write_text("{}")
    assert find_config(None, {}) == made.parents[1] / "mqttseg.yaml"


def test_without_any_configuration_the_operator_is_told_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mqttseg.config.PLACES", (Path("configs/mqttseg.yaml"),))
    with pytest.raises(OperatorError, match="mqttseg init"):
        find_config(None, {})


def test_an_address_on_the_command_line_that_is_none_is_refused() -> None:
    assert parse_endpoint("mqtts://[::1]:0") == Endpoint("mqtts", "::1", 0)
    with pytest.raises(OperatorError, match="write mqtts://HOST:PORT"):
        parse_endpoint("[::1]:0")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_configuration_or_refused(text: str) -> None:
    for whole in (text, f"listen: [{text!r}]\n", f"limits: {{packet: {text!r}, connect_timeout: {text!r}}}\n"):
        try:
            config(whole)
        except ConfigurationError as error:
            if not error.problems:
                raise AssertionError("refused without a reason") from error


@given(st.text(alphabet="mqts:/[]0123456789abc.-@ ", max_size=30))
def test_any_address_is_read_or_refused(text: str) -> None:
    try:
        endpoint = parse_endpoint("mqtts://" + text)
    except OperatorError:
        return
    assert parse_endpoint(str(endpoint)) == endpoint
