"""Ways along the streets of a town."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping


def ways_from(start: str, links: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The way with the fewest edges from `start` to every edge that can be reached; both ends belong to it."""
    ways = {start: [start]}
    queue = deque([start])
    while queue:
        edge = queue.popleft()
        for following in links.get(edge, ()):
            if following not in ways:
                ways[following] = [*ways[edge], following]
                queue.append(following)
    return ways
