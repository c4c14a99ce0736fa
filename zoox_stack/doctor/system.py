"""Checks of Python, processor, memory, disk, network and clock."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from zoox_stack.doctor.finding import Finding, fail, ok, warn

_PYTHONS = ((3, 11), (3, 12))
_SOCKET_BUFFER = 4 << 20  # [bytes] as asked for in zoox_stack/ros/fast_dds.xml
_SHARED_MEMORY = 48 << 20  # [bytes] six processes, one segment each
_RECORDING_RATE = 25e6  # [bytes/s] sweeps of 115k points at 10 Hz and everything else
_LEAST_DISK, _WANTED_DISK = 0.5e9, 5e9  # [bytes]
_CLOCK_SPAN = 0.2  # [s]
_CLOCK_TOLERANCE = 2e-3  # [s] that the system clock may gain on the monotonic one within the span
_MULTICAST_GROUP = "239.255.0.1"  # the group of DDS discovery
_ANSWER_TIMEOUT = 1.0  # [s]


def check_python(version: tuple[int, int, int] | None = None) -> Finding:
    """Python 3.11 or 3.12."""
    found = sys.version_info[:3] if version is None else version
    text = f"Python {'.'.join(map(str, found))}, {platform.machine()}, {sys.executable}"
    if tuple(found[:2]) in _PYTHONS:
        return ok("Python", text)
    return fail("Python", text, "use Python 3.11 or 3.12: make venv PYTHON=/path/to/python3.12")


def check_processor(cpu: Path = Path("/sys/devices/system/cpu/cpu0")) -> Finding:
    """At least two cores, not throttled by a power-saving governor."""
    cores = len(os.sched_getaffinity(0))
    try:
        governor = (cpu / "cpufreq/scaling_governor").read_text().strip()
    except OSError:
        governor = "not known"
    text = f"{cores} cores usable, frequency governor {governor}"
    if cores < 2:
        return warn("Processor", text, "give the stack at least 2 cores; with one it does not hold 10 Hz")
    if governor in ("powersave", "conservative"):
        return warn("Processor", text, "sudo cpupower frequency-set --governor performance")
    return ok("Processor", text)


def check_disk(folder: Path) -> Finding:
    """Room for recordings."""
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free in {folder}: about {free / _RECORDING_RATE / 60:.0f} min of recording"
    remedy = "make room, or record to another disk"
    if free < _LEAST_DISK:
        return fail("Disk", text, remedy)
    return warn("Disk", text, remedy) if free < _WANTED_DISK else ok("Disk", text)


def check_socket_buffers(folder: Path = Path("/proc/sys/net/core")) -> Finding:
    """Kernel limits of socket buffers: small ones lose fragments of LiDAR sweeps between machines."""
    found = {}
    for name in ("rmem_max", "wmem_max"):
        try:
            found[name] = int((folder / name).read_text())
        except (OSError, ValueError):
            return warn("Socket buffers", f"net.core.{name} is not known", "in a container look at the host's")
    text = ", ".join(f"net.core.{name} {value / 1024:.0f} KiB" for name, value in found.items())
    small = [name for name, value in found.items() if value < _SOCKET_BUFFER]
    if small:
        settings = " ".join(f"net.core.{name}={_SOCKET_BUFFER}" for name in small)
        return warn(
            "Socket buffers", text, f"sudo sysctl -w {settings} (to keep it, write it to /etc/sysctl.d/60-ros2.conf)"
        )
    return ok("Socket buffers", text)


def check_shared_memory(folder: Path = Path("/dev/shm")) -> Finding:
    """Shared memory that Fast DDS hands sweeps over in."""
    remedy = "give it more: sudo mount -o remount,size=512m /dev/shm, in a container docker run --shm-size=512m"
    if not folder.is_dir():
        return warn("Shared memory", f"{folder} does not exist; messages go through sockets", remedy)
    usage = shutil.disk_usage(folder)
    text = f"{usage.free / 2**20:.0f} of {usage.total / 2**20:.0f} MiB free in {folder}"
    if usage.free < _SHARED_MEMORY:
        return warn(
            "Shared memory", f"{text}, {_SHARED_MEMORY >> 20} MiB are needed; sweeps go through sockets", remedy
        )
    if not os.access(folder, os.W_OK):
        return warn("Shared memory", f"{folder} is not writable", f"sudo chmod 1777 {folder}")
    return ok("Shared memory", text)


def check_clock() -> Finding:
    """The system clock runs evenly and, if that can be found out, is synchronised."""
    system, monotonic = time.time(), time.monotonic()
    time.sleep(_CLOCK_SPAN)
    drift = (time.time() - system) - (time.monotonic() - monotonic)
    synchronised = _synchronised()
    text = f"system clock gained {drift * 1e3:+.2f} ms on the monotonic clock in {_CLOCK_SPAN:g} s, {synchronised}"
    if abs(drift) > _CLOCK_TOLERANCE:
        return warn("Clock", text, "something sets the clock in steps; use chrony, or a step-free NTP client")
    if synchronised == "not synchronised":
        return warn("Clock", text, "sudo timedatectl set-ntp true (several machines then share one time)")
    return ok("Clock", text)


def _synchronised() -> str:
    program = shutil.which("timedatectl")
    if program is None:
        return "synchronisation not known (no timedatectl)"
    command = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "synchronisation not known (timedatectl does not answer)"
    return {"yes": "synchronised", "no": "not synchronised"}.get(done.stdout.strip(), "synchronisation not known")


def check_network() -> Finding:
    """DDS nodes of one machine can find each other: UDP over loopback, multicast to oneself."""
    try:
        _exchange("127.0.0.1")
    except OSError as error:
        return fail("Network", f"no UDP over loopback: {error}", "sudo ip link set lo up, and let the firewall pass it")
    try:
        _exchange(_MULTICAST_GROUP)
    except OSError as error:
        return warn(
            "Network",
            f"UDP over loopback works, multicast does not: {error}",
            "export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST, or name the other machines in ROS_STATIC_PEERS",
        )
    return ok("Network", "UDP over loopback and multicast work")


def _exchange(address: str) -> None:
    """Send a datagram to oneself; OSError if it does not arrive."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.settimeout(_ANSWER_TIMEOUT)
        if address == _MULTICAST_GROUP:
            receiver.bind(("", 0))
            membership = socket.inet_aton(address) + socket.inet_aton("0.0.0.0")
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)  # stays on this machine
        else:
            receiver.bind((address, 0))
        token = os.urandom(16)
        sender.sendto(token, (address, receiver.getsockname()[1]))
        while receiver.recv(64) != token:
            pass
