"""Which processor there is and how much of it this process may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path, PurePosixPath

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def cores() -> int:
    """Returns how many threads can run at once, at least 1.

    That is the number of processors that the process is bound to or, in a container that is
    allowed less time than these have, as many as that time is worth, rounded down: a runtime that
    started a thread for each processor would be halted for the rest of each period.
    """
    try:
        bound = len(os.sched_getaffinity(0))
    except AttributeError:  # Only Linux tells.
        bound = os.cpu_count() or 1
    allowed = quota()
    return bound if allowed is None else max(1, min(bound, int(allowed)))


def quota(groups: Path = _GROUPS, own: Path = _OWN_GROUP) -> float | None:
    """Returns the processors' time a control group may use, in processors; None for no limit.

    Args:
        groups: Where the control groups are mounted.
        own: The file that names the group of the process, in versions 1 and 2 of the interface.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = groups / "cpu" if controllers else groups
        # A group may use no more than any group that it is in.
        group = PurePosixPath(path).relative_to("/")
        limits += [_limit(mount / one, old=bool(controllers)) for one in (group, *group.parents)]
    return min((limit for limit in limits if limit is not None), default=None)


def processor() -> str:
    """Returns the name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _limit(folder: Path, old: bool) -> float | None:
    """Returns the limit of one group; within a container its path may not be there."""
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if old else ("cpu.max",)
    try:
        text = " ".join((folder / name).read_text(encoding="utf-8") for name in names)
        allowed, period = (int(number) for number in text.split())
    except (OSError, ValueError):  # Version 2 says `max` where there is no limit.
        return None
    return allowed / period if allowed > 0 and period > 0 else None
