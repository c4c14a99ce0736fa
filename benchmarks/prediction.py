"""How long prediction and what-if take in a crowd on a made-up crossing: prints one JSON object, a row per provider.

A provider that does not load has a row too, with the reason. ``python -m benchmarks.prediction --provider cpu cuda``
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from benchmarks._scenes import about, crowd, measured, plans
from zoox_stack.core.classes import WhatIfStatus
from zoox_stack.core.errors import ModelError, ZooxStackError
from zoox_stack.core.predictions import WhatIfRequest
from zoox_stack.prediction.config import PredictionConfig
from zoox_stack.prediction.features import network_inputs, plan_knots
from zoox_stack.prediction.history import HistoryBuffer
from zoox_stack.prediction.lane_pieces import LanePieces
from zoox_stack.prediction.network import PredictionNetwork
from zoox_stack.prediction.predictor import Predictor, rows_for_network, take_agents
from zoox_stack.prediction.raster import SHAPE, SceneRasterizer
from zoox_stack.prediction.what_if import reacting_rows
from zoox_stack.road_network.made_up import crossing

HISTORY = 11  # scenes before the first one measured
PROVIDERS = ("cpu", "cuda", "tensorrt", "auto")


def row(args: argparse.Namespace, provider: str) -> dict[str, Any]:
    """Everything measured on one provider.

    Raises:
        ModelError: It does not load.
        ZooxStackError: Not all agents came to the network, or a question was refused.
    """
    config = PredictionConfig(provider=provider, threads=args.threads)
    network, map_, steps = PredictionNetwork(None, provider, args.threads), crossing(), count()
    predictor = Predictor(config)
    predictor.set_road_network(map_)
    predictor.warm_up()
    buffer = HistoryBuffer()
    for _ in range(HISTORY):
        scene = crowd(next(steps), args.agents)
        history = buffer.push(scene)
        predicted = predictor.predict(scene)
    rasterizer, lanes, image = SceneRasterizer(map_), LanePieces.of(map_), np.empty(SHAPE, np.uint8)
    inputs, ego = network_inputs(history, lanes), scene.ego
    assert ego is not None
    known = rows_for_network(scene, inputs.agent_pose[1:], config.max_agents)
    if len(known) != min(args.agents, config.max_agents):
        raise ZooxStackError(f"agents in the network: expected {args.agents}, found {len(known)}")
    inputs = take_agents(inputs, np.concatenate([[0], known + 1]))
    rasterizer.render(history, out=image)
    agents, alone = network.encode(image, inputs)[1:], take_agents(inputs, np.arange(1, len(known) + 1))
    reacting = reacting_rows(predicted.take(known), ego, config.max_reacting)
    asked, told = take_agents(alone, reacting), agents[reacting]
    possible = plans(ego, args.plans)
    knots = plan_knots(possible, ego)
    question = WhatIfRequest(scene.stamp_ns, possible, 60.0)
    brief = replace(question, affected_only=True)
    answer = predictor.what_if(brief)
    if answer.status is not WhatIfStatus.OK:
        raise ZooxStackError(f"what-if: expected an answer, found {answer.message}")
    result = {
        "provider": network.provider,
        "model": network.name,
        "agents_in_network": len(known),
        "agents_reacting": len(reacting),
        "agents_affected": [len(p) for p in answer.predictions],
        "raster_ms": measured(lambda: rasterizer.render(history, out=image), args.runs),
        "encoder_ms": measured(lambda: network.encode(image, inputs), args.runs),
        "decoder_ms": measured(lambda: network.decode(agents, alone.agent_pose, alone.agent_velocity), args.runs),
        "decoder_with_plans_ms": measured(
            lambda: network.decode(told, asked.agent_pose, asked.agent_velocity, knots), args.runs
        ),
        "what_if_ms": measured(lambda: predictor.what_if(question), args.runs),
        "what_if_affected_only_ms": measured(lambda: predictor.what_if(brief), args.runs),
    }
    following = (crowd(step, args.agents) for step in steps)
    return result | {"predict_ms": measured(lambda: predictor.predict(next(following)), args.runs)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=64)
    parser.add_argument("--plans", type=int, default=8)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0, help="0 for all physical cores but one, at most 4")
    parser.add_argument("--provider", choices=PROVIDERS, nargs="+", default=["cpu", "cuda"], help="a row for each")
    parser.add_argument("--json", action="store_true", help="(always JSON)")
    args = parser.parse_args()
    rows = []
    for provider in args.provider:
        try:
            rows.append({"asked": provider, **row(args, provider)})
        except ModelError as error:
            rows.append({"asked": provider, "result": "not measured", "why": str(error)})
    print(json.dumps({"agents": args.agents, "plans": args.plans, "runs": args.runs, "rows": rows} | about()))


if __name__ == "__main__":
    main()
