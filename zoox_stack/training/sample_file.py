"""Prepared samples on disk: one file per bag or part, from which single samples are read.

A file is a mark, records, an index as JSON, and the index's length and checksum. A record is the arrays of one sample,
one after the other in numpy's ``.npy`` format, LZ4-compressed.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
from numpy.typing import NDArray

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.prediction.features import NetworkInputs
from zoox_stack.training.samples import TrainingSample

MARK = b"zoox_stack samples 1\n"
SUFFIX = ".samples"
_END = struct.Struct("<QI")
_INPUTS = tuple(field.name for field in fields(NetworkInputs))
_LABELS = ("plans", "futures", "valid", "classes", "goal_lane", "goes_first")
_REMEDY = "Start the command again: it makes the file anew"


@dataclass(frozen=True)
class Record:
    """Where a sample is in its file.

    Attributes:
        offset: Of its first byte.
        size: Bytes.
        checksum: CRC-32 of them.
        plans: How many ego plans it has.
    """

    offset: int
    size: int
    checksum: int
    plans: int


@dataclass(frozen=True)
class SampleFile:
    """A file of samples, known by its index.

    Attributes:
        path: Where it is.
        fingerprint: Of what it was made from, and how.
        records: One per sample.
        classes: Agents by class, over all samples without the egos, ``[classes]``.
        without_map: Samples without a map.
    """

    path: Path
    fingerprint: str
    records: tuple[Record, ...]
    classes: tuple[int, ...]
    without_map: int

    def __len__(self) -> int:
        return len(self.records)

    def read(self, number: int) -> TrainingSample:
        """Sample `number`.

        Raises:
            InvalidInputError: The file was damaged.
        """
        record = self.records[number]
        with self.path.open("rb") as file:
            data = os.pread(file.fileno(), record.size, record.offset)
        if zlib.crc32(data) != record.checksum:
            raise InvalidInputError(str(self.path), f"sample {number} as it was written", "other bytes", _REMEDY)
        return _decoded(data)


def write_samples(
    path: Path, samples: Iterable[tuple[TrainingSample, bool]], fingerprint: str, class_count: int
) -> SampleFile:
    """Write a file; under its name there is a whole one or none.

    Args:
        path: Of the file.
        samples: With whether there was a map.
        fingerprint: See `SampleFile`.
        class_count: Number of classes.

    Raises:
        OSError: The disk is full or not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    records, classes, without_map = [], np.zeros(class_count, np.int64), 0
    try:
        with part.open("wb") as file:
            file.write(MARK)
            for sample, has_map in samples:
                data = _encoded(sample)
                records.append(Record(file.tell(), len(data), zlib.crc32(data), len(sample.plans)))
                file.write(data)
                classes += np.bincount(sample.classes[1:], minlength=class_count)
                without_map += not has_map
            made = SampleFile(path, fingerprint, tuple(records), tuple(classes.tolist()), without_map)
            values = {**asdict(made), "path": path.name, "records": [list(asdict(r).values()) for r in records]}
            index = json.dumps(values).encode()
            file.write(index + _END.pack(len(index), zlib.crc32(index)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return made


def open_samples(path: Path, *, thorough: bool = False) -> SampleFile:
    """Open a file.

    Args:
        path: Of the file.
        thorough: Check every sample, too.

    Raises:
        InvalidInputError: It is not such a file, or is damaged.
    """
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - _END.size))
            size, checksum = _END.unpack(file.read())
            if size > length:
                raise ValueError("the index does not fit")
            file.seek(length - _END.size - size)
            index = file.read(size)
            file.seek(0)
            if zlib.crc32(index) != checksum or file.read(len(MARK)) != MARK:
                raise ValueError("the index or the mark is not as it was written")
            values: dict[str, Any] = json.loads(index)
            records = tuple(Record(*record) for record in values["records"])
            for number, record in enumerate(records if thorough else ()):
                if zlib.crc32(os.pread(file.fileno(), record.size, record.offset)) != record.checksum:
                    raise ValueError(f"sample {number} is not as it was written")
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise InvalidInputError(str(path), "a file of prepared samples", str(error), _REMEDY) from error
    return SampleFile(path, values["fingerprint"], records, tuple(values["classes"]), values["without_map"])


def _encoded(sample: TrainingSample) -> bytes:
    buffer = io.BytesIO()
    image = np.frombuffer(sample.raster, np.uint8)  # compressed already, and stays so
    for array in (*(getattr(sample.inputs, n) for n in _INPUTS), *(getattr(sample, n) for n in _LABELS), image):
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return bytes(lz4.frame.compress(buffer.getvalue()))


def _decoded(data: bytes) -> TrainingSample:
    buffer = io.BytesIO(lz4.frame.decompress(data))

    def array() -> NDArray[Any]:
        return np.asarray(np.lib.format.read_array(buffer, allow_pickle=False))

    inputs = NetworkInputs(**{name: array() for name in _INPUTS})
    labels = {name: array() for name in _LABELS}
    return TrainingSample(inputs=inputs, raster=array().tobytes(), **labels)
