"""How many cores' time the control groups of Linux, in which containers run, leave this process."""

from __future__ import annotations

import math
import pathlib

MEMBERSHIP = pathlib.Path("/proc/self/cgroup")
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def quota(membership: pathlib.Path = MEMBERSHIP, root: pathlib.Path = CGROUPS) -> float:
    """Return how many cores' time are left: the least of all groups above this process; infinite without a limit."""
    least = math.inf
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return least
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "cpu" if controllers else root  # version 1 or 2
        folder = top / path.lstrip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(top):
                break
            least = min(least, _quota_of(group))
    return least


def _quota_of(group: pathlib.Path) -> float:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return math.inf if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf
