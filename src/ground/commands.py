"""Command lines: whatever ends one is told in one line that says what to do, and by its exit status."""

import argparse
import errno
import os
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from ground.errors import KEPT, MEMORY, Ended, OneLine

FULL = f'no room is left to write it; make room, or name another folder (SET="artifacts=..."), {KEPT}'
FORBIDDEN = "this folder or file may not be changed or read; take that right, or name another folder"
INSIDE = "ECHO_INSIDE_BUILD"  # set for the jobs of a build, which says itself that it was stopped
WHAT_TO_DO = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), f'{FORBIDDEN} (SET="artifacts=..."), {KEPT}'),
    errno.ENOENT: "there is no such file or folder; correct its name, or put it there",
}


def of_system(error: OSError) -> str:
    """Return what the system complains of, and what to do about it, in one sentence."""
    where = f"{error.filename}: " if error.filename else ""
    return where + (WHAT_TO_DO.get(error.errno or 0) or error.strerror or str(error))


def told(error: BaseException) -> tuple[int, str]:
    """Return the exit status and the one sentence that an error ends a command with.

    A status of 2 stands for what the user can mend; 130 is the shell's own for Ctrl-C.
    """
    if isinstance(error, KeyboardInterrupt):
        return 130, f"stopped, with nothing half-written left; to go on, {KEPT.removeprefix('then ')}"
    if isinstance(error, MemoryError):
        return 1, MEMORY.removeprefix("most often because ")
    return (2, of_system(error)) if isinstance(error, OSError) else (1 if isinstance(error, Ended) else 2, str(error))


def run_command(work: Callable[[], int | None]) -> int:
    """Do what a command line asks for; return its exit status, with one line on stderr for what ended it.

    Errors of this program itself keep their traceback.
    """
    try:
        return work() or 0
    except BrokenPipeError:
        return 1  # who read along has gone
    except (OneLine, OSError, MemoryError, KeyboardInterrupt) as error:
        status, sentence = told(error)
        if status != 130 or INSIDE not in os.environ:
            print(f"error: {sentence}", file=sys.stderr)
        return status


def count_in_silence(whose: str) -> None:
    """Tell no warning of planes that are ``whose``, here and in further processes: it will do that they are counted."""
    os.environ["PYTHONWARNINGS"] = f"ignore:{whose}"
    warnings.filterwarnings("ignore", f"{whose} ")


class CommandLine(argparse.ArgumentParser):
    """A command line that tells in one line what is wrong with it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {self.prog}: {message}; see --help\n")
