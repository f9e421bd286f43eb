"""The same, where a fleet's own certificates name the device: in the common name, or in a DNS name of the SAN."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mqttseg.errors import Reason
from mqttseg.observe.events import Kind
from tests.support.brokers import BackendName, RunningBroker
from tests.support.clients import RawClient
from tests.support.forged import Forged, Forger, dns, uri
from tests.support.sites import TestSite
from tests.support.victims import Watch, assert_shut_out


@pytest.fixture(scope="module", params=["cn", "san-dns"])
def broker(
    backend: BackendName, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    settings = f"identity: {{from: {request.param}}}"
    with RunningBroker(TestSite(tmp_path_factory.mktemp("site"), settings=settings)) as running:
        yield running


def leaf(broker: RunningBroker, *names: str) -> Forged:
    """A certificate with these names where the broker looks, and the name of cam-1 everywhere else."""
    forger = Forger.inside(broker.site)
    if broker.site.config.read_text().find("cn") >= 0:
        return forger.leaf(dns("cam-1"), uri("cam-1"), common_names=names)
    return forger.leaf(uri("cam-1"), *map(dns, names), common_names=["cam-1"])


def test_one_name_is_the_device(broker: RunningBroker, tmp_path: Path) -> None:
    with RawClient(leaf(broker, "cam-7").tls(broker.site, tmp_path), broker.port) as client:
        assert client.connect("cam-7").code == 0


def test_name_in_the_other_places_is_nobodys(broker: RunningBroker, tmp_path: Path) -> None:
    watch = Watch(broker)
    with RawClient(leaf(broker, "thermo-1").tls(broker.site, tmp_path), broker.port) as client:
        assert client.connect("cam-1").code == 2
    watch.wait_for(Kind.REFUSE, Reason.CLIENT_ID_MISMATCH, "thermo-1")


@pytest.mark.parametrize(
    "names",
    [
        ("cam-1", "thermo-1"),
        ("thermo-1", "cam-1"),
        ("cam-1", "cam-1"),
        (),
        ("cam-1\0.example",),
        ("cam-1\n",),
        ("cam-1 ",),
        ("саm-1",),
        ("cam-*",),
        ("#",),
        ("cameras/cam-1",),
        ("cam%2d1",),
        ("spiffe://plant7.example/device/cam-1",),
    ],
    ids=ascii,
)
def test_names_that_are_not_one_device_id(broker: RunningBroker, tmp_path: Path, names: tuple[str, ...]) -> None:
    watch = Watch(broker)
    assert_shut_out(leaf(broker, *names).tls(broker.site, tmp_path), broker)
    watch.wait_for(Kind.REFUSE, Reason.IDENTITY_INVALID)
    assert watch.count(Kind.CONNECT) == 0
