"""Client ids that are too long to be kept with every message."""

from __future__ import annotations

import pytest

from mqttseg.config import ClientIds
from mqttseg.errors import Reason
from mqttseg.guard.admission import CLIENT_ID_LENGTH, Refusal, session_key
from mqttseg.wire.packets import Connect


@pytest.mark.parametrize("mode", ClientIds)
def test_client_id_over_the_length_is_refused(mode: ClientIds) -> None:
    with pytest.raises(Refusal) as refused:
        session_key(Connect("cam-1/" + "x" * CLIENT_ID_LENGTH), "cam-1", mode)
    assert refused.value.reason is Reason.CLIENT_ID_MISMATCH


@pytest.mark.parametrize("mode", ClientIds)
def test_client_id_of_the_length_is_taken(mode: ClientIds) -> None:
    assert session_key(Connect("cam-1/" + "x" * (CLIENT_ID_LENGTH - 6)), "cam-1", mode)
