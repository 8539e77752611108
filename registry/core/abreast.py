"""Many at a time, and no more of them in memory than are under way: a store may have hundreds of thousands of blobs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_AHEAD = 32
"""Items that are handed to each thread before the first result is waited for."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def abreast(work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int) -> Iterator[Result]:
    """What `work` makes of each of `items`, in their order, with `at_once` threads.

    Raises:
        Exception: The first fault, in the order of the items; what was not begun then is not begun any more.
    """
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(at_once) as threads:
        try:
            for item in items:
                under_way.append(threads.submit(work, item))
                if len(under_way) >= at_once * _AHEAD:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
