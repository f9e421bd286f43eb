"""The plan for OpenWrt 22.03 and later, whose firewall (fw4) is nftables.

Owns how the nftables ruleset gets into fw4's own transaction. A file in /etc/nftables.d is read inside fw4's table: no
bridge table fits there, and its chains would share fw4's names. So the tables stay ours, and fw4 reads the file after
its own table, at start and at every reload.
"""

from __future__ import annotations

from mqttseg.gateway.nftables.render import render_nftables
from mqttseg.gateway.plan import Plan

PATH = "/etc/mqttseg.nft"


def render_openwrt(plan: Plan, revision: int) -> str:
    """The file for ``/etc/mqttseg.nft``; its head says how fw4 is told of it."""
    ruleset = render_nftables(plan, revision)
    _, _, body = ruleset.partition("\n")  # the interpreter's line: OpenWrt reads the file, it does not run it
    packages = ["kmod-nft-fib", *(["kmod-nft-bridge"] if "table bridge mqttseg {" in ruleset else [])]
    head = [
        f"# {PATH}: fw4 reads it in the same transaction as its own table. Once:",
        f"#   opkg install {' '.join(packages)}",
        "#   uci set firewall.mqttseg=include; uci set firewall.mqttseg.type=nftables",
        f"#   uci set firewall.mqttseg.path={PATH}; uci set firewall.mqttseg.position=ruleset-post",
        "#   uci commit firewall",
        "# Then, now and after every change: fw4 check && fw4 reload",
    ]
    return "\n".join([*head, body])
