"""Outlives the launcher by a few seconds, to end what outlives it longer.

`python guard.py SECONDS` reads lines from standard input: `+PID` for each process that the launcher starts,
`-PID` for each that has ended. Standard input closes when the launcher ends, however it ends. The kernel has
then asked its processes to end (see leash.py); after SECONDS the guard kills the rest, with all they started.
"""

import os
import signal
import sys
import time


def main() -> None:
    """Watch until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    patience_s = float(sys.argv[1])
    leaders: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        leaders.add(pid) if line.startswith("+") else leaders.discard(pid)
    deadline = time.monotonic() + patience_s
    while leaders and time.monotonic() < deadline:
        leaders = {pid for pid in leaders if _signal_group(pid, 0)}
        time.sleep(0.1)
    for pid in leaders:
        _signal_group(pid, signal.SIGKILL)


def _signal_group(leader: int, number: int) -> bool:
    """Signal a process and what it started; False when none of them is there."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
