"""``metadata.yaml`` of a rosbag2 directory, version 9 (ROS 2 Jazzy) when written, versions 1 to 9 when read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.logs.bag_types import BagTopic
from zoox_stack.logs.qos import QosProfile, parse_profiles

FILE_NAME = "metadata.yaml"
VERSION = 9
_NO_START = 2**63 - 1  # what rosbag2 writes for a bag without messages


@dataclass(frozen=True)
class BagMetadata:
    """The part of ``metadata.yaml`` that readers need; counts and times are taken from the storage itself.

    Attributes:
        storage_id: ``mcap`` or ``sqlite3``.
        files: Paths relative to the bag.
        compression_mode: Empty, ``file`` or ``message``.
        compression_format: Empty or ``zstd``.
        qos: Offered profiles by topic.
    """

    storage_id: str
    files: tuple[str, ...]
    compression_mode: str = ""
    compression_format: str = ""
    qos: dict[str, tuple[QosProfile, ...]] = field(default_factory=dict)


def metadata_document(
    storage_id: str, files: Iterable[str], topics: Iterable[BagTopic], start_ns: int | None, end_ns: int | None
) -> dict[str, Any]:
    """The document rosbag2 writes. Times are None while there are no messages."""
    topics = list(topics)
    files = list(files)
    count = sum(topic.count for topic in topics)
    first = _NO_START if start_ns is None else start_ns
    length = 0 if start_ns is None or end_ns is None else end_ns - start_ns
    times = {
        "duration": {"nanoseconds": length},
        "starting_time": {"nanoseconds_since_epoch": first},
        "message_count": count,
    }
    return {
        "rosbag2_bagfile_information": {
            "version": VERSION,
            "storage_identifier": storage_id,
            **times,
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": topic.name,
                        "type": topic.type_name,
                        "serialization_format": topic.serialization,
                        "offered_qos_profiles": [profile.to_dict() for profile in topic.qos],
                        "type_description_hash": topic.type_hash,
                    },
                    "message_count": topic.count,
                }
                for topic in topics
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": files,
            "files": [{"path": name, **times} for name in files],
            "custom_data": None,
            "ros_distro": "jazzy",
        }
    }


def write_metadata(folder: Path, document: dict[str, Any]) -> None:
    """Write ``metadata.yaml`` so that a reader finds the old one or the new one, never half of it."""
    text = yaml.dump(document, sort_keys=False, Dumper=_PlainDumper)
    temporary = folder / (FILE_NAME + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / FILE_NAME)


class _PlainDumper(yaml.CSafeDumper):
    """Without anchors: not every reader of metadata.yaml knows them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def read_metadata(path: Path) -> BagMetadata:
    """Read a ``metadata.yaml``.

    Raises:
        InvalidInputError: Not YAML or not of this form.
    """
    remedy = "If the data files are whole, delete or rename metadata.yaml: the bag is then read without it"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        information = document["rosbag2_bagfile_information"]
        files = tuple(str(name) for name in information["relative_file_paths"])
        qos = {}
        for entry in information.get("topics_with_message_count") or ():
            topic = entry["topic_metadata"]
            qos[topic["name"]] = parse_profiles(topic.get("offered_qos_profiles"), topic["name"])
        return BagMetadata(
            storage_id=str(information["storage_identifier"]),
            files=files,
            compression_mode=str(information.get("compression_mode") or "").lower(),
            compression_format=str(information.get("compression_format") or "").lower(),
            qos=qos,
        )
    except yaml.YAMLError as error:
        raise InvalidInputError(str(path), "YAML", str(error).splitlines()[0], remedy) from error
    except (KeyError, TypeError, UnicodeDecodeError, AttributeError) as error:
        found = f"{type(error).__name__} {error}"
        raise InvalidInputError(str(path), "the metadata of a rosbag2 bag", found, remedy) from error
