"""Records of TFRecord files: 8 bytes length, 4 bytes checksum of it, payload, 4 bytes checksum; little-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from zoox_stack.core.errors import InvalidInputError

_HEADER = struct.Struct("<QI")
_FOOTER = 4  # bytes
_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected


def read_records(path: Path) -> Iterator[bytes]:
    """Payloads of a file, one after the other. The checksums of the lengths are checked, those of payloads are not.

    Raises:
        InvalidInputError: Not such a file, or one that ends in the middle of a record.
    """
    number = 0
    with path.open("rb") as stream:
        while header := stream.read(_HEADER.size):
            thing = f"{path}: record {number}"
            if len(header) < _HEADER.size:
                raise InvalidInputError(thing, f"a header of {_HEADER.size} bytes", f"{len(header)} bytes")
            length, checksum = _HEADER.unpack(header)
            if checksum != masked_crc32c(header[:8]):
                found = "a checksum that does not fit its length"
                raise InvalidInputError(thing, "a TFRecord", found, "The file is damaged, or of another format")
            payload = stream.read(length + _FOOTER)
            if len(payload) < length + _FOOTER:
                raise InvalidInputError(thing, f"{length} bytes", f"{len(payload)} until the end of the file")
            yield payload[:length]
            number += 1


def masked_crc32c(data: bytes) -> int:
    """CRC-32C of a few bytes, rotated and shifted as TFRecord wants it (tensorflow/core/lib/hash/crc32c.h)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
