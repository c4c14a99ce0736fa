"""``zoox-stack bag info`` and ``zoox-stack bag recover``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from zoox_stack.core.errors import ZooxStackError
from zoox_stack.logs.bag_reader import BagReader
from zoox_stack.logs.bag_recovery import recover
from zoox_stack.logs.mcap_file import COMPRESSIONS


def register(subparsers: Any) -> None:
    """Add ``bag`` to the commands of a parser; the parsed arguments get ``func(args) -> exit code``."""
    parser = subparsers.add_parser(
        "bag",
        help="look into a bag, or save what is whole of a broken one",
        description="Bags of rosbag2 in either storage: directory, bare .mcap or bare .db3.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    info = actions.add_parser("info", help="topics, types, counts, times; says what is wrong with an incomplete bag")
    info.add_argument("bag", type=Path, metavar="BAG")
    info.add_argument("--json", action="store_true", help="print as JSON")
    info.set_defaults(func=run_info)
    save = actions.add_parser("recover", help="copy every readable message into a new, complete bag")
    save.add_argument("bag", type=Path, metavar="BAG", help="left as it is")
    save.add_argument("out", type=Path, metavar="OUT", help="OUT.mcap: one file; otherwise a rosbag2 directory")
    save.add_argument("--compression", choices=COMPRESSIONS, default="lz4", help="of the new bag (default: lz4)")
    save.add_argument("--json", action="store_true", help="print the report as JSON")
    save.set_defaults(func=run_recover)


def describe(path: Path) -> dict[str, Any]:
    """What is in a bag, ready for JSON; an incomplete bag is read as far as it is whole.

    Raises:
        InvalidInputError: Not a bag.
    """
    with BagReader(path, recover=True) as reader:
        return {
            "bag": str(path),
            "storage": reader.storage_id,
            "complete": not reader.problems,
            "problems": reader.problems,
            "start_ns": reader.start_ns,
            "end_ns": reader.end_ns,
            "duration_s": round(reader.duration, 9),
            "messages": reader.message_count,
            "topics": {
                name: {
                    "type": topic.type_name,
                    "count": topic.count,
                    "latched": topic.latched,
                    "qos": [f"{p.reliability}, {p.durability}, {p.history} {p.depth}" for p in topic.qos],
                }
                for name, topic in reader.topics.items()
            },
        }


def run_info(args: argparse.Namespace) -> int:
    """0 for a complete bag, 1 for none at all, 2 for an incomplete one."""
    try:
        info = describe(args.bag)
    except (ZooxStackError, OSError) as error:
        print(f"zoox-stack bag info: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(info, indent=2))
    else:
        print(f"{info['bag']}: {info['storage']}, {info['messages']} messages, {info['duration_s']:.3f} s")
        width = max((len(name) for name in info["topics"]), default=0)
        for name, topic in info["topics"].items():
            qos = "; ".join(topic["qos"]) or "QoS unknown"
            print(f"  {topic['count']:8d}  {name:{width}}  {topic['type']}  ({qos})")
        for problem in info["problems"]:
            print(f"  incomplete: {problem}")
    return 0 if info["complete"] else 2


def run_recover(args: argparse.Namespace) -> int:
    """0 if something could be saved, 1 if not."""
    try:
        report = recover(args.bag, args.out, compression=args.compression)
    except (ZooxStackError, OSError) as error:
        print(f"zoox-stack bag recover: {error}", file=sys.stderr)
        return 1
    if args.json:
        fields = ("messages", "duration", "topics", "problems")
        print(json.dumps({"out": str(args.out)} | {name: getattr(report, name) for name in fields}, indent=2))
    else:
        print(f"{args.out}: {report.messages} messages recovered, {report.duration:.3f} s")
        for problem in report.problems or ("the bag was complete",):
            print(f"  {problem}")
    return 0
