"""Become one process of the stack: `python -I -S launch.py PARENT SIGNAL USER NICENESS COMMAND...`.

The new process gets SIGNAL when its supervisor dies, however it dies, and runs as USER ("" is
who we are). It yields to others by NICENESS, 0 to 19.
It stands alone, on the standard library, because it runs before every process: without `-S` each
start would cost the import of site-packages. The steps are in this order because Linux forgets the
death signal when the user changes.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Replaces this process; it returns only by an exception."""
    parent, death_signal, user = int(arguments[0]), int(arguments[1]), arguments[2]
    niceness, command = int(arguments[3]), arguments[4:]
    if niceness:
        _yield_to_others(niceness)
    if user:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died before the line above took effect.
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def _yield_to_others(niceness: int) -> None:
    """Be nice. Where Linux groups processes by session, the group has to be, as a whole."""
    os.nice(niceness)
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write(str(niceness))
    except OSError as error:
        # Not every kernel has such groups, and not every container lets them be set.
        print(f"the priority of the session stays as it is: {error.strerror}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
