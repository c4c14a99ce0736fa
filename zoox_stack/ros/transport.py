"""Fast DDS settings that let a LiDAR sweep through shared memory in one piece."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PROFILES = Path(__file__).with_name("fast_dds.xml")
_NEEDED = 48 << 20  # [bytes] six processes with a segment of 6 MB each, and room
# Any of these means that the user has chosen transports already.
_USER_CHOICES = (
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "FASTDDS_BUILTIN_TRANSPORTS",
    "ROS_DISCOVERY_SERVER",
)


def prepare_transport(shared_memory: Path = Path("/dev/shm")) -> bool:
    """Choose `PROFILES` for this process unless the user chose something or shared memory is too small.

    Call before ``rclpy.init``. Other middlewares than Fast DDS ignore it.

    Returns:
        True if the profiles are in use.
    """
    if any(name in os.environ for name in _USER_CHOICES):
        return os.environ.get(_USER_CHOICES[0]) == str(PROFILES)
    if not shared_memory.is_dir() or shutil.disk_usage(shared_memory).free < _NEEDED:
        return False
    os.environ[_USER_CHOICES[0]] = str(PROFILES)
    return True
