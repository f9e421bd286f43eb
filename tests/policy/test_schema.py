"""The shipped JSON Schemas are the generated ones, and say what the loader says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mqttseg.config import ConfigFile, config_schema
from mqttseg.policy.schema import BrokerEntry, JsonSchema, devices_schema, policy_schema, schema_text

CONFIGS = Path(__file__).parents[2] / "configs"
SCHEMAS = {"policy": policy_schema, "devices": devices_schema, "mqttseg": config_schema}


def mappings(schema: object) -> Iterator[JsonSchema]:
    if isinstance(schema, dict):
        yield schema
        for child in schema.values():
            yield from mappings(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from mappings(child)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_shipped_schema_is_the_generated_one(name: str) -> None:
    shipped = (CONFIGS / f"{name}.schema.json").read_text(encoding="utf-8")
    assert shipped == schema_text(SCHEMAS[name]()), f"write configs/{name}.schema.json again: mqttseg policy schema"


@pytest.mark.parametrize("make", SCHEMAS.values())
def test_no_schema_accepts_unknown_keys_or_null(make: Callable[[], JsonSchema]) -> None:
    schema = make()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for one in mappings(schema):
        if one.get("type") == "object":
            assert one.get("additionalProperties") is False
        assert one.get("type") != "null"
        assert one.get("default", "") is not None


def test_defaults_that_are_lists_are_in_the_schemas() -> None:
    made = ConfigFile.model_validate({})
    assert config_schema()["properties"]["listen"]["default"] == made.listen
    broker = BrokerEntry.model_validate({"addresses": ["192.0.2.1"]})
    assert policy_schema()["$defs"]["BrokerEntry"]["properties"]["ports"]["default"] == broker.ports


@pytest.mark.parametrize("make", SCHEMAS.values())
def test_every_key_is_described(make: Callable[[], JsonSchema]) -> None:
    for one in mappings(make()):
        for name, key in one.get("properties", {}).items():
            if isinstance(key, dict):
                assert key.get("description") or "$ref" in key, name


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_shipped_example_names_its_schema(name: str) -> None:
    first = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={name}.schema.json"
