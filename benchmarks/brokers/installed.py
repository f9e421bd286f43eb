"""Every broker that is compared, ours first, and which of them can be started here."""

from __future__ import annotations

from benchmarks.brokers.aedes import AEDES
from benchmarks.brokers.mosquitto import ACL_FILE, DYNSEC
from benchmarks.brokers.nats import NATS
from benchmarks.brokers.ours import COMMIT, OFF
from benchmarks.brokers.process import Kind
from benchmarks.brokers.relay import RELAY
from benchmarks.brokers.stock import STOCK

KINDS: dict[str, Kind] = {kind.name: kind for kind in (COMMIT, OFF, STOCK, ACL_FILE, DYNSEC, NATS, AEDES, RELAY)}
