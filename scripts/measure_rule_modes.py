"""How often each mode of `zoox_stack.prediction.rule_futures` is the nearest to what followed: its tables of shares.

``python scripts/measure_rule_modes.py LOGS`` takes a folder of simulated bags, such as ``bags_train`` of
``scripts/train_shipped_model.py --only-data``, and prints a JSON object. Road users beyond 64 m of the ego count.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from zoox_stack.core.classes import CYCLIST_CLASSES, VEHICLE_CLASSES
from zoox_stack.core.predictions import MODES
from zoox_stack.evaluation.prediction_sources import find_sources, scenes_of
from zoox_stack.prediction.futures import STANDING_SPEED
from zoox_stack.prediction.rule_futures import RuleFutures

FAR = 64.0  # [m]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, help="bag, or folder of bags")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every Nth bag alone")
    args = parser.parse_args()
    nearest: dict[str, list[np.ndarray]] = defaultdict(list)
    for source in find_sources(args.logs)[:: args.every]:
        rules, network = RuleFutures(None), None
        for seen in scenes_of(source):
            if seen.network is not network:
                rules, network = RuleFutures(seen.network), seen.network
            scene = seen.history.scene
            assert scene.ego is not None
            ends = np.linalg.norm(
                rules.predict(scene).map_positions[:, :, -1] - seen.futures[:, None, -1, :2], axis=-1
            )  # [N, K]
            far = np.hypot(*(scene.position[:, :2] - scene.ego.centre).T) > FAR
            known = far & np.isfinite(ends).all(axis=1)
            drives = np.isin(scene.classes, [*VEHICLE_CLASSES, *CYCLIST_CLASSES])
            moves = scene.speed >= STANDING_SPEED
            for name, rows in (
                ("driving", drives & moves),
                ("starting", drives & ~moves),
                ("walking", ~drives & moves),
                ("setting off", ~drives & ~moves),
            ):
                nearest[name].append(ends[known & rows].argmin(axis=1))
    found = {}
    for name, parts in nearest.items():
        modes = np.concatenate(parts)
        shares = np.bincount(modes, minlength=MODES) / max(len(modes), 1)
        found[name] = {"n": len(modes), "shares": np.round(shares, 3).tolist()}
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
