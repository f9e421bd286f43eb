"""Client ids that are too long to be kept with every message, and clients that have none."""

from __future__ import annotations

import pytest

from mqttseg.config import ClientIds
from mqttseg.errors import Reason
from mqttseg.guard.admission import CLIENT_ID_LENGTH, IDENTIFIER_REJECTED, Refusal, session_key
from mqttseg.wire.packets import Connect


@pytest.mark.parametrize("mode", ClientIds)
def test_client_id_over_the_length_is_refused(mode: ClientIds) -> None:
    with pytest.raises(Refusal) as refused:
        session_key(Connect("cam-1/" + "x" * CLIENT_ID_LENGTH), "cam-1", mode, "unnamed")
    assert refused.value.reason is Reason.CLIENT_ID_MISMATCH


@pytest.mark.parametrize("mode", ClientIds)
def test_client_id_of_the_length_is_taken(mode: ClientIds) -> None:
    assert session_key(Connect("cam-1/" + "x" * (CLIENT_ID_LENGTH - 6)), "cam-1", mode, "unnamed")


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
