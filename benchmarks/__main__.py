"""Run benchmarks one after the other: ``python -m benchmarks [NAME ...]``. One JSON object per line."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """All benchmarks."""
    return sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))


def main() -> int:
    """Run them; exit code 1 if one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Run benchmarks; one JSON object per line."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(names())}")
    chosen = parser.parse_args().names or names()
    failed = False
    for name in chosen:
        if name not in names():
            print(f"benchmarks: {name}: expected one of {', '.join(names())}", file=sys.stderr)
            return 2
        print(f"benchmarks: {name} ...", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        failed |= done.returncode != 0
        if done.returncode == 0:
            print(json.dumps({"benchmark": name, **json.loads(done.stdout)}), flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
