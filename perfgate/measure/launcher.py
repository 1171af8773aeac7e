"""Becomes another program, one that dies with the thread that started it.

`python -I -S launcher.py ERRORS DEATH_SIGNAL PARENT UID GID LC_CTYPE SEAL PROGRAM [ARGUMENT...]`, all but the last ones
numbers. A change of user clears PR_SET_PDEATHSIG, so it is asked for after that and right before exec. Doing so here
and not in a `preexec_fn` costs some 15 ms, and spares running Python in the fork of a process with threads, which may
hang. SEAL becomes a limit without effect that all descendants inherit: they are found by it whatever they do to their
environment, session and parents. What keeps the program from starting is written to the file ERRORS ("errno text"),
which exec closes otherwise.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
RLIMIT_LOCKS = 10  # as in procfs, which cannot be imported here
# Python ignores the first two; the others are ignored where perfgate was started in the background by a script.
RESTORED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


def become(argv: list[str], *, death_signal: int, parent: int, uid: int, gid: int) -> None:
    """Change user (unless `uid` is negative), tie this process to its parent, and run `argv`; OSError if that fails."""
    if uid >= 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before it could be watched
        os._exit(1)
    for number in RESTORED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execvp(argv[0], argv)


def put_on(seal: int) -> None:
    """Seal this process; where the limit may not be so high, the mark in the environment has to do."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(RLIMIT_LOCKS, (seal, resource.getrlimit(RLIMIT_LOCKS)[1]))


def main() -> None:
    """Read the command line and become the program, or say why not."""
    errors, death_signal, parent, uid, gid, has_ctype, seal = map(int, sys.argv[1:8])
    os.set_inheritable(errors, False)
    if not has_ctype:  # Python itself sets it in the C locale (PEP 538); the program shall see what perfgate saw
        os.environ.pop("LC_CTYPE", None)
    put_on(seal)
    try:
        become(sys.argv[8:], death_signal=death_signal, parent=parent, uid=uid, gid=gid)
    except OSError as error:
        os.write(errors, f"{error.errno} {error.strerror}".encode())
        os._exit(127)


if __name__ == "__main__":
    main()
