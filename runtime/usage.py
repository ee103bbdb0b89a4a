"""What a process uses of its machine."""

import psutil


class Usage:
    """Of one process, which may be another than this one."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._process.cpu_percent()  # from here on it is measured

    def since_last(self) -> tuple[int, float]:
        """Bytes of memory that it holds, and how much of a core it has used since it was asked last, or made, in
        percent: 200 is two cores. Raises psutil.NoSuchProcess."""
        with self._process.oneshot():
            return self._process.memory_info().rss, self._process.cpu_percent()
