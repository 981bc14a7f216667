"""Forked processes that may be killed or stopped at any moment, and what they said until then.

Whoever forks must have hashed nothing yet and started no thread, so each proof is a program of its
own: it imports everything, and then only forks.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable
from typing import NamedTuple, NoReturn

__all__ = ["Child", "Ended", "Say", "in_child", "stop_here"]

#: Tells the parent one line, at once.
Say = Callable[[str], None]

# A process that takes longer than this, in seconds, hangs.
_DEADLINE = 60
# The functions themselves, for when those of `os` are wrapped.
_write, _read, _close = os.write, os.read, os.close


class Ended(NamedTuple):
    """How a process ended."""

    #: Its exit code, or the negative number of the signal that ended it.
    code: int
    #: The lines that it said.
    said: list[str]


class Child:
    """A forked process that runs a function."""

    def __init__(self, function: Callable[[Say], object]) -> None:
        self._pipe, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _run(function, writing)
        _close(writing)

    def stops(self) -> bool:
        """Wait until it stops itself or ends; whether it stopped."""
        found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return found is not None and found.si_code == os.CLD_STOPPED

    def resume(self) -> None:
        """Let it go on after it stopped."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> Ended:
        """Wait for its end."""
        said = b""
        while piece := _read(self._pipe, 1 << 16):
            said += piece
        _close(self._pipe)
        _, status = os.waitpid(self.pid, 0)
        return Ended(os.waitstatus_to_exitcode(status), said.decode().splitlines())


def in_child(function: Callable[[Say], object]) -> Ended:
    """Run `function` in a forked process to its end."""
    return Child(function).end()


def stop_here() -> None:
    """Stop this process, all its threads, until it is told to go on."""
    # To the thread itself: it must not get further while another one takes the signal.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _run(function: Callable[[Say], object], pipe: int) -> NoReturn:
    code = 1
    try:
        signal.alarm(_DEADLINE)
        function(lambda line: _say(pipe, line))
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may get out of a forked process but its exit code
        _say(pipe, traceback.format_exc())
    finally:
        os._exit(code)


def _say(pipe: int, line: str) -> None:
    _write(pipe, f"{line}\n".encode())
