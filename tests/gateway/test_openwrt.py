"""The file for OpenWrt, in the place where its firewall reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mqttseg.gateway.openwrt import render_openwrt
from tests.gateway.conftest import Plans
from tests.gateway.shapes import SHAPES

GOLDEN = Path(__file__).with_name("golden")
FW4 = """\
table inet fw4
flush table inet fw4
table inet fw4 {
  chain forward { type filter hook forward priority filter; policy drop; }
%s
}
%s
"""


def _load(*texts: str) -> subprocess.CompletedProcess[str]:
    """What nft says to these files, loaded one after the other in a namespace of their own."""
    if shutil.which("nft") is None:
        pytest.skip("needs nft: install nftables")
    if subprocess.run(["unshare", "-rn", "true"], check=False).returncode:
        pytest.skip("needs root, or user namespaces")
    steps = "\n".join(f"nft -f - <<'RULES'\n{text}\nRULES" for text in texts)
    command = ["unshare", "-rn", "sh", "-euc", f"{steps}\nnft list tables"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shape", ["two-segments", "no-devices"])
def test_the_file_is_the_reviewed_one(plans: Plans, shape: str, request: pytest.FixtureRequest) -> None:
    text = render_openwrt(plans.plan(*SHAPES[shape]), 1)
    golden = GOLDEN / f"openwrt-{shape}.nft"
    if request.config.getoption("--write-golden"):
        golden.write_text(text)
    assert text == golden.read_text(), "review the difference, then run pytest with --write-golden"


@pytest.mark.parametrize("shape", SHAPES)
def test_fw4_reads_it_after_its_own_table_at_every_reload(plans: Plans, shape: str) -> None:
    whole = FW4 % ("", render_openwrt(plans.plan(*SHAPES[shape]), 1))
    done = _load(whole, whole)
    assert done.returncode == 0, done.stderr
    assert "table inet fw4" in done.stdout
    assert "table inet mqttseg" in done.stdout


def test_inside_the_table_of_fw4_there_is_no_place_for_it(plans: Plans) -> None:
    """Why it is no file of /etc/nftables.d."""
    done = _load(FW4 % (render_openwrt(plans.plan(), 1), ""))
    assert done.returncode != 0


def test_it_names_the_kernel_modules_that_it_needs(plans: Plans) -> None:
    assert "kmod-nft-fib kmod-nft-bridge" in render_openwrt(plans.plan(), 1)
    assert "kmod-nft-bridge" not in render_openwrt(plans.plan(*SHAPES["no-devices"]), 1)
