"""Small bags and values for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat as Compression
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as StockWriter

from zoox_stack.core.agents import EgoState
from zoox_stack.logs.bag_types import BagMessage
from zoox_stack.logs.bag_writer import BagWriter
from zoox_stack.logs.codec import encode
from zoox_stack.logs.message_definitions import typestore
from zoox_stack.logs.qos import QosProfile

CLOCK = "rosgraph_msgs/msg/Clock"
ODOMETRY = "nav_msgs/msg/Odometry"
SECOND = 1_000_000_000


def clock_message(stamp_ns: int) -> bytes:
    """A Clock message, 12 bytes."""
    return b"\0\1\0\0" + np.array([stamp_ns // SECOND, stamp_ns % SECOND], np.uint32).tobytes()


def some_messages(count: int = 20) -> list[BagMessage]:
    """Messages on two topics, 0.1 s apart, in order of time; odometry a little after the clock."""
    messages = []
    for i in range(count):
        stamp = SECOND + i * SECOND // 10
        messages.append(BagMessage("/clock", CLOCK, stamp, clock_message(stamp)))
        odometry = encode(EgoState(stamp, x=float(i), y=0.0, speed=10.0))
        messages.append(BagMessage("/odometry", ODOMETRY, stamp + 1000, odometry))
    return messages


def write_bag(path: Path, messages: list[BagMessage], chunk_bytes: int = 2000, compression: str = "lz4") -> Path:
    """A complete bag of our own making."""
    with BagWriter(path, chunk_bytes=chunk_bytes, compression=compression, flush_period=None) as writer:
        for message in messages:
            writer.add_topic(message.topic, message.type_name, (QosProfile(depth=3),))
            writer.write_message(message)
    return path


def write_stock_bag(path: Path, messages: list[BagMessage], storage: str, compressed: bool = False) -> Path:
    """A bag in the layout of stock rosbag2, written by another library."""
    writer = StockWriter(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if compressed:
        writer.set_compression(CompressionMode.MESSAGE, Compression.ZSTD)
    with writer:
        connections = {}
        for message in messages:
            if message.topic not in connections:
                connections[message.topic] = writer.add_connection(
                    message.topic, message.type_name, typestore=typestore()
                )
            writer.write(connections[message.topic], message.stamp_ns, message.data)
    return path


@pytest.fixture
def messages() -> list[BagMessage]:
    return some_messages()


@pytest.fixture
def bag(tmp_path: Path, messages: list[BagMessage]) -> Path:
    """A rosbag2 directory with several chunks."""
    return write_bag(tmp_path / "drive", messages)


@pytest.fixture
def make_bag() -> Callable[..., Path]:
    return write_bag


@pytest.fixture
def make_stock_bag() -> Callable[..., Path]:
    return write_stock_bag
