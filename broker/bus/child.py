"""Runs a program that dies with its parent: `python -I -S child.py PARENT_PID PROGRAM ARGUMENT...`.

A child of a process that was killed would go on holding its data folder. Linux ends it for us (prctl(2),
PR_SET_PDEATHSIG), but only if the child asks; asking between fork and exec is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask to be ended with the parent, then become the program."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == int(sys.argv[1]):  # otherwise the parent died before we asked
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
