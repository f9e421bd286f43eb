"""The API against requests made up from its own description: each is answered as described, or changes nothing."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mqttseg.control.api import create_api
from tests.control.fakes import FakeOperations

OPERATIONS = FakeOperations()
SCHEMA = schemathesis.openapi.from_asgi("/v1/openapi.json", create_api(OPERATIONS))


@SCHEMA.parametrize()
@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case: schemathesis.Case[Any]) -> None:
    before = list(OPERATIONS.asked)
    answer = case.call()
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )
    if answer.status_code >= 400 and answer.status_code != 404:
        assert before == OPERATIONS.asked
