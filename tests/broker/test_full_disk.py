"""A real broker on a disk that is full: an error at start, and while it runs no acknowledgement, but enforcement.

The disk is a limit on the size of files (setrlimit), which needs no rights and can be lifted while the broker runs.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mqttseg.wire.packets import Connack, Puback, Publish
from tests.support.clients import RawClient
from tests.support.programs import Program
from tests.support.sites import POLICY, TestSite

LIMITED = """
import resource, sys
from pathlib import Path
from mqttseg.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""
LARGE = bytes(60_000)


@contextmanager
def run(site: TestSite, size: int) -> Iterator[Program]:
    """`mqttseg run`, with no file larger than so many bytes."""
    with Program([sys.executable, "-c", LIMITED, str(size), "run", "-c", site.config]) as program:
        yield program


def test_full_disk_at_start_is_an_error_and_nobody_is_listened_to(tmp_path: Path) -> None:
    site = TestSite(tmp_path)
    with run(site, 1000) as program:
        assert program.wait() == 1
    assert "cannot keep" in program.text
    assert "sessions.db" in program.text or "events.db" in program.text
    assert "Traceback" not in program.text
    assert "mqttseg ready" not in program.text


def test_full_disk_while_it_runs_keeps_acknowledgements_back_and_goes_on_enforcing(tmp_path: Path) -> None:
    site = TestSite(tmp_path)
    with run(site, 1 << 20) as program:
        port = int(program.wait_for_line("mqttseg ready").rpartition(":")[2])
        absent = RawClient(site.tls("cam-1"), port)
        assert absent.connect("cam-1", clean=False) == Connack(False, 0)
        assert absent.subscribe("cameras/stored", qos=1) == (1,)
        absent.close()
        with RawClient(site.tls("cam-2"), port) as writer, RawClient(site.tls("cam-3"), port) as live:
            writer.connect("cam-2")
            live.connect("cam-3")
            live.subscribe("cameras/live")
            writer.send(*(Publish("cameras/stored", LARGE, 1, packet_id=i) for i in range(1, 41)))
            program.wait_for_line("stays unacknowledged until it works again")
            writer.send(Publish("cameras/live", b"now"), Publish("hvac/all/x", b"not mine"))
            assert live.expect(Publish) == Publish("cameras/live", b"now")
            program.wait_for_line("hvac/all/x")
            writer.ping()
            acknowledged = sum(isinstance(packet, Puback) for packet in writer.unread)
            assert acknowledged < 40
            site.write_policy(POLICY.replace('members: ["cam-*"]', 'members: ["cam-1", "cam-2"]'))
            os.kill(program.pid, signal.SIGHUP)
            live.expect_end()  # a disk that is full keeps no policy from being changed, and nobody in
            program.wait_for_line("revision 2")
            resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            for _ in range(40):
                writer.expect(Puback)
        with RawClient(site.tls("cam-1"), port) as absent:
            assert absent.connect("cam-1", clean=False) == Connack(True, 0)
            got: set[int] = set()
            while len(got) < 40:
                message = absent.expect(Publish)
                got.add(message.packet_id)
                absent.send(Puback(message.packet_id))
