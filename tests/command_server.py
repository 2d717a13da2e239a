"""Runs commands in forks of a process that has imported them: importing takes a processor for half a second.

Run as a program by tests.commands, with the number of the socket on which it is asked. A command becomes a
child of the process that asked, if that adopts orphans just then: its parent here ends at once.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
from typing import Final, NoReturn

from heliscore import cli

MAX_ANSWER_BYTES: Final = 16
_MAX_BYTES: Final = 1 << 20


def fork_for(control: socket.socket) -> None:
    """Fork for each request, and answer with the id of the process. Returns in the forks only, each of which
    is ready to run its command."""
    while True:
        message, files, _, _ = socket.recv_fds(control, _MAX_BYTES, 3)
        if not message:
            os._exit(0)
        sent, received = socket.socketpair()
        with sent, received:
            parent = os.fork()
            if parent == 0:
                child = os.fork()
                if child == 0:
                    break
                sent.send(b"%d" % child)
                os._exit(0)
            os.waitpid(parent, 0)
            control.send(received.recv(MAX_ANSWER_BYTES))
        for file in files:
            os.close(file)
    arguments, environment, folder = json.loads(message)
    become(arguments, environment, folder, files)
    control.close()


def become(arguments: list[str], environment: dict[str, str], folder: str | None, files: list[int]) -> None:
    """Be as the process of a command is when it has been imported."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    if folder is not None:
        os.chdir(folder)
    sys.argv = arguments


def end(ended: SystemExit) -> NoReturn:
    """End as the forks of multiprocessing do: freeing what was imported takes longer than most commands."""
    if not isinstance(ended.code, int):
        raise ended
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended.code)


def import_commands() -> None:
    """Import what `heliscore serve` and the commands do when they begin; none may have started a thread."""
    importlib.import_module("heliscore.main")
    for module in pkgutil.iter_modules(cli.__path__, "heliscore.cli."):
        importlib.import_module(module.name)
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import_commands()
    fork_for(socket.socket(fileno=int(sys.argv[1])))
    try:
        cli.main()
    except SystemExit as ended:
        end(ended)
