"""Becomes another program, tied to the launcher's life and without root where that program refuses it.

`python leash.py SIGNAL PARENT ACCOUNT COMMAND...`: PARENT is the launcher's pid, whose death, however it
comes, brings the command SIGNAL (Linux only); ACCOUNT is whom to run as, or `-` for the same user.
"""

import ctypes
import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path

UNPRIVILEGED = "nobody"
"""The account of servers that refuse to run as root."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522


def leashed(command: Sequence[str], *, signal: int, account: str | None = None) -> list[str]:
    """The command line that runs `command` so.

    Args:
        command: a program and its arguments.
        signal: what it gets when the caller dies.
        account: whom to run it as; the caller must be root then.
    """
    python = (sys.executable, "-I", "-S", str(Path(__file__)))
    return [*python, str(int(signal)), str(os.getpid()), account or "-", *command]


def unprivileged_account() -> str | None:
    """The account for a server that refuses root; None where the launcher is not root anyway."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def give_to(path: Path, account: str | None) -> None:
    """Make `path` the account's own."""
    if account is not None:
        owner = pwd.getpwnam(account)
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _become(account: str) -> None:
    """Give up root for `account`, but for the right to enter directories.

    So a checkout below a closed directory (/root, a `mktemp -d`) works, and nobody's modes are changed.
    Without the fixup, access(2) too counts that right; what else is held ends with exec.
    """
    owner = pwd.getpwnam(account)
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(owner.pw_gid)
    os.setuid(owner.pw_uid)
    if sys.platform == "linux":
        any(_keep(capability) for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE))


def _keep(capability: int) -> bool:
    """Keep this capability alone, through exec; False where this machine's root has not got it."""
    bit = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; low words first
    if _LIBC.capset(header, data) != 0:
        return False
    return bool(_LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0)


def main() -> None:
    """Read the arguments (see above) and become the command."""
    signal, parent, account, *command = sys.argv[1:]
    if account != "-":
        _become(account)
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
        if os.getppid() != int(parent):  # it died before the line above
            sys.exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
