"""Client ids that are too long to be kept whole with every message, and clients that have none."""

from __future__ import annotations

import pytest

from mqttseg.config import ClientIds
from mqttseg.errors import Reason
from mqttseg.guard.admission import CLIENT_ID_LENGTH, IDENTIFIER_REJECTED, Refusal, session_key
from mqttseg.wire.packets import Connect


def key_of(client_id: str, mode: ClientIds) -> str:
    return session_key(Connect(client_id), "cam-1", mode, "unnamed")


@pytest.mark.spec("MQTT-3.1.3-2")
@pytest.mark.parametrize("mode", ClientIds)
def test_client_id_of_any_length_is_taken_and_what_is_kept_of_it_is_bounded(mode: ClientIds) -> None:
    longest = "cam-1/" + "x" * 65_529
    keys = {key_of(longest[:length], mode) for length in (7, CLIENT_ID_LENGTH, CLIENT_ID_LENGTH + 1, 1000, 65_535)}
    assert len(keys) == 5
    assert max(map(len, keys)) <= len("cam-1/") + CLIENT_ID_LENGTH + 1
    assert all(key.startswith("cam-1/") for key in keys)


@pytest.mark.parametrize("mode", ClientIds)
def test_what_is_kept_of_a_long_client_id_is_no_other_client_ids(mode: ClientIds) -> None:
    """Not even of one that is chosen to be the same."""
    longest = "cam-1/" + "x" * 1000
    kept = key_of(longest, mode)
    chosen = kept if mode is ClientIds.BOUND else kept.removeprefix("cam-1/")
    assert key_of(chosen, mode) != kept


def test_long_client_id_of_another_device_is_refused_in_few_words() -> None:
    with pytest.raises(Refusal) as refused:
        key_of("cam-2/" + "x" * 60_000, ClientIds.BOUND)
    assert refused.value.code == IDENTIFIER_REJECTED
    assert refused.value.reason is Reason.CLIENT_ID_MISMATCH
    assert len(refused.value.detail) < 2 * CLIENT_ID_LENGTH


@pytest.mark.spec("MQTT-3.1.3-6")
def test_empty_client_id_is_a_session_of_its_own_where_any_is_accepted() -> None:
    """Two clients that share a certificate and name no session must not take each other's over."""
    keys = {session_key(Connect(""), "cam-1", ClientIds.ANY, unnamed) for unnamed in ("unnamed-1", "unnamed-2")}
    assert keys == {"cam-1/unnamed-1", "cam-1/unnamed-2"}


@pytest.mark.spec("MQTT-3.1.3-6")
def test_empty_client_id_is_the_devices_where_ids_are_bound() -> None:
    assert session_key(Connect(""), "cam-1", ClientIds.BOUND, "unnamed-1") == "cam-1"


@pytest.mark.spec("MQTT-3.1.3-8")
@pytest.mark.parametrize("mode", ClientIds)
def test_empty_client_id_without_clean_session_is_refused(mode: ClientIds) -> None:
    with pytest.raises(Refusal) as refused:
        session_key(Connect("", clean_session=False), "cam-1", mode, "unnamed-1")
    assert refused.value.code == IDENTIFIER_REJECTED
