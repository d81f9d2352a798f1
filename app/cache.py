"""A cache whose entries have sizes: the entries that were not used for longest give way once all together exceed a limit."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SizedCache(Generic[T]):
    """Values by key, for all sessions. The value that is used last always stays."""

    def __init__(self, limit: int, size: Callable[[T], int]) -> None:
        """`limit` of all sizes together, in bytes; `size` estimates that of a value, which may grow."""
        self.limit, self.size = limit, size
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}  # when they were last estimated
        self._sum = 0
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key. It is made where it is not there; who asks for the same key meanwhile waits for it."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            try:
                value = make()
                with self._lock:
                    size = self.size(value)
                    self._sum += size - self._sizes.get(key, 0)
                    self._values[key], self._sizes[key] = value, size
                    self._values.move_to_end(key)
                    self._give_way()
            finally:
                with self._lock:
                    if self._making.get(key) is making:
                        del self._making[key]
        return value

    def find(self, key: Hashable) -> T | None:
        """Return the value of a key, none where it is not there."""
        with self._lock:
            return self._values.get(key)

    def shrink(self) -> None:
        """Estimate all sizes anew, and drop what was not used for longest until the limit holds."""
        with self._lock:
            self._sizes = {key: self.size(value) for key, value in self._values.items()}
            self._sum = sum(self._sizes.values())
            self._give_way()

    def _give_way(self) -> None:
        while self._sum > self.limit and len(self._values) > 1:
            key, _ = self._values.popitem(last=False)
            self._sum -= self._sizes.pop(key)

    @property
    def total(self) -> int:
        """The size of all values together, in bytes."""
        with self._lock:
            return sum(self.size(value) for value in self._values.values())

    def __len__(self) -> int:
        return len(self._values)
