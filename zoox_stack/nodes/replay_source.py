"""What replay sends, and in which order: latched messages first, then groups of messages up to each tick."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from zoox_stack.core import topics
from zoox_stack.core.errors import ConfigurationError, InvalidInputError
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.bag_types import BagMessage, BagTopic
from zoox_stack.logs.codec import encode
from zoox_stack.nodes.configs import ReplayConfig
from zoox_stack.nodes.replay_route import driven_route_of
from zoox_stack.ros.message_types import peek_stamp

TICK_TOPICS = {"lidar": topics.LIDAR_POINTS, "detections": topics.DETECTIONS}
# What the stack takes in. The rest it makes itself; playing that too would give two answers per tick.
INPUTS = (
    topics.ROAD_NETWORK,
    topics.ROUTE,
    topics.KINEMATIC_STATE,
    topics.TRAFFIC_SIGNALS,
    topics.LIDAR_POINTS,
    topics.DETECTIONS,
    topics.GROUND_TRUTH,
)


@dataclass(frozen=True)
class Item:
    """One message to send.

    Attributes:
        topic: Topic name.
        log_ns: Time in the bag [ns].
        data: CDR bytes.
        stamp_ns: Stamp of a tick [ns]; None for other messages.
    """

    topic: str
    log_ns: int
    data: bytes
    stamp_ns: int | None = None


class ReplaySource:
    """A bag as replay sees it.

    Args:
        config: Parameters of the replay node.

    Attributes:
        tick_topic: The topic whose messages are the ticks.
        topics: Topics played, by name.
        skipped: Ticks left out because odometry does not cover them.
        bad: Messages that could not be read.

    Raises:
        InvalidInputError: The bag is missing or broken, or has nothing to make ticks of.
        ConfigurationError: No bag is named.
    """

    def __init__(self, config: ReplayConfig) -> None:
        if not config.bag:
            raise ConfigurationError("parameter replay.bag: expected the path of a bag, found nothing")
        self._config = config
        self._made: list[Item] = []  # not of the bag
        self.problems: list[str] = []
        self._reader = BagReader(Path(config.bag).expanduser(), recover=config.recover, scan=True)
        try:
            self._choose()
            self._drive_again()
        except BaseException:
            self._reader.close()
            raise
        self.problems += self._reader.problems
        self.skipped = 0
        self.bad = 0

    def _choose(self) -> None:
        """What is played."""
        config, have = self._config, self._reader.topics
        self.tick_topic = self._choose_tick_topic(have)
        others = {topic.name for name, topic in TICK_TOPICS.items() if topic.name != self.tick_topic}
        wanted = [name.strip() for name in config.topics.split(",") if name.strip()]
        if wanted:
            self._reader.require_topics(wanted)
            wanted = [*wanted, self.tick_topic]
        else:
            wanted = [topic.name for topic in INPUTS if topic.name in have and topic.name not in others]
        if config.route != "recorded":
            wanted = [name for name in wanted if name != topics.ROUTE.name]
        self._reader.require_topics({n: topics.TOPICS[n].type_name for n in wanted if n in topics.TOPICS})
        self._played = list(dict.fromkeys(wanted))
        self.topics: dict[str, BagTopic] = {name: have[name] for name in self._played}
        if config.route == "driven":
            self.topics[topics.ROUTE.name] = BagTopic(topics.ROUTE.name, topics.ROUTE.type_name, 1)
        self.latched = {
            name
            for name, topic in self.topics.items()
            if topic.latched or (name in topics.TOPICS and topics.TOPICS[name].qos is topics.QosClass.LATCHED)
        }
        if self._reader.start_ns is None:
            raise InvalidInputError(config.bag, "messages", "an empty bag")
        self.start_ns: int = self._reader.start_ns + int(config.start_offset * 1e9)
        self.end_ns: int | None = None if config.duration == 0 else self.start_ns + int(config.duration * 1e9)

    def _drive_again(self) -> None:
        """The driven route, if that is asked for."""
        if self._config.route != "driven":
            return
        route, reason = driven_route_of(self._reader, self.start_ns, self.end_ns)
        self._made = [Item(topics.ROUTE.name, self.start_ns, encode(route))]
        if reason:
            self.problems.append(f"the route is a line without lanes: {reason}")

    def _choose_tick_topic(self, have: dict[str, BagTopic]) -> str:
        source = self._config.source
        names = ["lidar", "detections"] if source == "auto" else [source]
        found = [have[TICK_TOPICS[name].name] for name in names if TICK_TOPICS[name].name in have]
        if found:  # at equal numbers the first: sweeps
            return max(found, key=lambda topic: topic.count).name
        wanted = " or ".join(TICK_TOPICS[name].name for name in names)
        raise InvalidInputError(self._config.bag, f"topic {wanted}", ", ".join(have) or "no topics")

    @property
    def has_odometry(self) -> bool:
        """The bag tells where the ego is."""
        return topics.KINEMATIC_STATE.name in self.topics

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()

    def first_latched(self) -> list[Item]:
        """The newest message of every latched topic up to the start; of those without any, the first one after."""
        chosen = {item.topic: item for item in self._made}
        latched = self.latched.intersection(self._played)
        if latched:
            for message in self._reader.messages(sorted(latched)):
                if message.stamp_ns <= self.start_ns or message.topic not in chosen:
                    chosen[message.topic] = Item(message.topic, message.stamp_ns, message.data)
                elif latched <= chosen.keys():
                    break
        return [chosen[name] for name in sorted(chosen)]

    def items(self) -> Iterator[Item]:
        """All messages from the start in order of time; at equal times ticks come last.

        Ticks that odometry can never cover are left out: those before the first odometry.
        """
        first = {item.topic: item.log_ns for item in self.first_latched()}
        first_odometry: int | None = None
        messages = self._reader.messages(self._played, self.start_ns, self.end_ns)
        for _, group in groupby(messages, key=lambda m: m.stamp_ns):
            for message in sorted(group, key=lambda m: m.topic == self.tick_topic):
                if message.topic in self.latched and message.stamp_ns <= first.get(message.topic, 0):
                    continue  # sent already
                item = self._item(message)
                if item is None:
                    continue
                if message.topic == topics.KINEMATIC_STATE.name and first_odometry is None:
                    first_odometry = self._stamp(message)
                before_odometry = first_odometry is None or (item.stamp_ns or 0) < first_odometry
                if item.stamp_ns is not None and self.has_odometry and before_odometry:
                    self.skipped += 1
                    continue
                yield item

    def lockstep_groups(self) -> Iterator[tuple[list[Item], Item]]:
        """For every tick: all messages to send before it (odometry until it covers the tick), and the tick.

        Ticks after the last odometry are left out.
        """
        stream = _Stream(self.items())
        odometry_ns = -(2**63)
        before: list[Item] = []
        while (item := stream.take()) is not None:
            if item.stamp_ns is None:
                before.append(item)
                odometry_ns = max(odometry_ns, self._odometry_stamp(item))
                continue
            if self.has_odometry and odometry_ns < item.stamp_ns:
                later: list[Item] = []
                while odometry_ns < item.stamp_ns and (other := stream.take()) is not None:
                    if other.topic == topics.KINEMATIC_STATE.name:
                        before.append(other)
                        odometry_ns = max(odometry_ns, self._odometry_stamp(other))
                    else:
                        later.append(other)
                stream.put_back(later)
                if odometry_ns < item.stamp_ns:
                    self.skipped += 1
                    continue
            yield before, item
            before = []

    def _odometry_stamp(self, item: Item) -> int:
        return peek_stamp(item.data) if item.topic == topics.KINEMATIC_STATE.name else -(2**63)

    def _item(self, message: BagMessage) -> Item | None:
        stamp = None
        if message.topic in (self.tick_topic, topics.KINEMATIC_STATE.name):
            stamp = self._stamp(message)
            if stamp is None:
                return None
        tick = stamp if message.topic == self.tick_topic else None
        return Item(message.topic, message.stamp_ns, message.data, tick)

    def _stamp(self, message: BagMessage) -> int | None:
        try:
            return peek_stamp(message.data)
        except InvalidInputError:
            self.bad += 1
            return None


class _Stream:
    """Items one by one, some of which can be put back."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._ahead: deque[Item] = deque()

    def take(self) -> Item | None:
        """The next item; None at the end."""
        return self._ahead.popleft() if self._ahead else next(self._items, None)

    def put_back(self, items: list[Item]) -> None:
        """These come next, in this order."""
        self._ahead.extendleft(reversed(items))
