"""The YAML that is shown can be used as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from mqttseg.config import ConfigFile, load_config
from mqttseg.policy.check import run_tests
from mqttseg.policy.compiled import compile_policy
from mqttseg.policy.load import load_policy
from tests.docs.pages import ROOT, Block, blocks, pages

SHOWN = [block for page in pages() for block in blocks(page) if block.language == "yaml"]
KEYS = {field.alias or name for name, field in ConfigFile.model_fields.items()}


def of(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


def policies() -> list[tuple[str, str]]:
    """Every whole policy, and every one that a page goes on to extend."""
    found: list[tuple[str, str]] = []
    for block in SHOWN:
        if block.text.startswith("version:") and "\ndevices:" not in block.text:  # that is an inventory
            found.append((of(block), block.text))
        elif "append" in block.info:
            found.append((of(block), found[-1][1] + block.text))
    return found


@pytest.mark.parametrize(("where", "text"), policies(), ids=[where for where, _ in policies()])
def test_a_policy_that_is_shown_is_valid(where: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    failures = run_tests(compile_policy(load_policy(file), datetime.now(UTC)))
    meant = where.startswith("docs/tutorial.md") and "heat:" in text  # the tutorial lets one test fail, and says so
    assert [failure.what for failure in failures] == (["ovens, doors are not isolated"] if meant else [])


@pytest.mark.parametrize("block", [b for b in SHOWN if set(yaml.safe_load(b.text)) <= KEYS], ids=of)
def test_a_part_of_mqttseg_yaml_that_is_shown_is_valid(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "mqttseg.yaml"
    file.write_text(block.text)
    load_config(file)


def test_examples_are_found() -> None:
    assert len(policies()) >= 5
    assert sum(set(yaml.safe_load(block.text)) <= KEYS for block in SHOWN) >= 2


def test_the_amqtt_configuration_that_is_shown_is_the_shipped_one() -> None:
    (shown,) = (b for b in SHOWN if "listeners:" in b.text)
    assert yaml.safe_load(shown.text) == yaml.safe_load((ROOT / "configs" / "amqtt.yaml").read_text())
