"""The socket of the control API: whose it is, and that no broker takes another's."""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from mqttseg.control.endpoint import LONGEST_PATH, NAME, listening, socket_path, user_at, user_name
from mqttseg.errors import OperatorError


class TestTheSocketIsItsOwners:
    def test_nobody_else_may_connect_from_the_moment_it_exists(self, state: Path) -> None:
        umask = os.umask(0)
        try:
            with listening(state) as bound:
                assert stat.S_IMODE((state / NAME).stat().st_mode) == 0o600
                assert stat.S_IMODE(os.fstat(bound.fileno()).st_mode) == 0o600
        finally:
            os.umask(umask)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as another user")
    def test_another_user_does_not_get_in_where_the_directory_is_open_to_all(self, state: Path) -> None:
        state.chmod(0o755)
        met: list[OSError] = []
        with listening(state):
            thread = threading.Thread(target=_connect_as_nobody, args=(state / NAME, met))
            thread.start()
            thread.join(20)
        assert [type(error) for error in met] == [PermissionError]

    def test_the_state_directory_it_makes_is_its_owners_too(self, state: Path) -> None:
        with listening(state / "new"):
            assert stat.S_IMODE((state / "new").stat().st_mode) == 0o700

    def test_it_is_gone_with_the_broker(self, state: Path) -> None:
        with listening(state):
            pass
        assert not (state / NAME).exists()

    def test_the_kernel_says_who_connects(self, state: Path) -> None:
        with listening(state) as bound, socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(state / NAME))
            accepted, _ = bound.accept()
            with accepted:
                assert user_at(accepted) == (user_name(os.getuid()), os.getuid())

    def test_a_user_without_a_name_is_a_number(self) -> None:
        assert user_name(4_000_000_001) == "uid:4000000001"


class TestOneBrokerAtATime:
    def test_the_socket_of_a_dead_broker_is_replaced(self, state: Path) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(state / NAME))
        with listening(state), socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(state / NAME))

    def test_the_socket_of_a_live_broker_is_not(self, state: Path) -> None:
        with listening(state):
            with pytest.raises(OperatorError, match="is running"), listening(state):
                pass
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(state / NAME))

    def test_of_two_that_start_together_one_listens(self, state: Path) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(state / NAME))
        began, done = threading.Barrier(4), threading.Event()
        outcomes: list[str] = []

        def start() -> None:
            began.wait(20)
            try:
                with listening(state):
                    outcomes.append("listens")
                    done.wait(20)
            except OperatorError:
                outcomes.append("refused")
                if outcomes.count("refused") == 3:
                    done.set()

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(outcomes) == ["listens", "refused", "refused", "refused"]

    @pytest.mark.parametrize("kind", ["file", "directory", "link"])
    def test_what_is_no_socket_is_not_touched(self, state: Path, kind: str) -> None:
        path = state / NAME
        if kind == "link":
            path.symlink_to("/nowhere")
        elif kind == "file":
            path.touch()
        else:
            path.mkdir()
        before = path.lstat().st_ino
        with pytest.raises(OperatorError, match="something else is there"), listening(state):
            pass
        assert path.lstat().st_ino == before

    def test_a_socket_that_another_broker_made_meanwhile_is_left_to_it(self, state: Path) -> None:
        with listening(state):
            (state / NAME).unlink()
            other = socket.socket(socket.AF_UNIX)
            other.bind(str(state / NAME))
        with other:
            assert (state / NAME).exists()


class TestPathsThatNoSocketCanHave:
    def test_the_longest_that_fits_works(self, state: Path) -> None:
        room = LONGEST_PATH - len(os.fsencode(state)) - len(NAME) - 2
        with listening(state / ("x" * room)):
            pass

    def test_one_byte_more_says_what_to_do(self, state: Path) -> None:
        room = LONGEST_PATH - len(os.fsencode(state)) - len(NAME) - 1
        with pytest.raises(OperatorError, match="at most 107 bytes; give the site a directory with a shorter name"):
            socket_path(state / ("x" * room))


def _connect_as_nobody(path: Path, met: list[OSError]) -> None:
    """For a thread of its own: setfsuid(2) holds for the calling thread alone."""
    ctypes.CDLL(None).setfsuid(65534)
    with socket.socket(socket.AF_UNIX) as peer:
        try:
            peer.connect(str(path))
        except OSError as error:
            met.append(error)
