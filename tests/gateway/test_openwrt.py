"""The file for OpenWrt, in the place where its firewall reads it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from mqttseg.gateway.nftables.render import render_nftables
from mqttseg.gateway.openwrt import render_openwrt
from tests.gateway.conftest import Plans
from tests.gateway.shapes import SHAPES

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


HEAD = """\
# /etc/mqttseg.nft: fw4 reads it in the same transaction as its own table. Once:
#   opkg install kmod-nft-fib kmod-nft-bridge
#   uci set firewall.mqttseg=include; uci set firewall.mqttseg.type=nftables
#   uci set firewall.mqttseg.path=/etc/mqttseg.nft; uci set firewall.mqttseg.position=ruleset-post
#   uci commit firewall
# Then, now and after every change: fw4 check && fw4 reload
"""


@pytest.mark.parametrize("shape", ["two-segments", "observe"])
def test_it_is_the_ruleset_for_nftables_under_a_head_of_its_own(plans: Plans, shape: str) -> None:
    plan = plans.plan(*SHAPES[shape])
    ruleset = render_nftables(plan, 3).removeprefix("#!/usr/sbin/nft -f\n")
    assert render_openwrt(plan, 3) == HEAD + ruleset


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
