"""How long prediction and what-if take on a made-up crossing: prints one JSON object."""

from __future__ import annotations

import argparse
import json
from itertools import count

from benchmarks._scenes import about, crowd, measured, plans
from zoox_stack.core.predictions import WhatIfRequest
from zoox_stack.prediction.features import network_inputs
from zoox_stack.prediction.history import HistoryBuffer
from zoox_stack.prediction.lane_pieces import LanePieces
from zoox_stack.prediction.network import PredictionNetwork
from zoox_stack.prediction.predictor import PredictionConfig, Predictor
from zoox_stack.prediction.raster import SceneRasterizer
from zoox_stack.road_network.made_up import crossing


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=64)
    parser.add_argument("--plans", type=int, default=8)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0, help="0 for all physical cores but one, at most 4")
    parser.add_argument("--provider", choices=("auto", "cuda", "tensorrt", "cpu"), default="auto")
    parser.add_argument("--json", action="store_true", help="(always JSON)")
    args = parser.parse_args()
    network, map_ = PredictionNetwork(None, args.provider, args.threads), crossing()
    predictor = Predictor(PredictionConfig(provider=args.provider, threads=args.threads))
    predictor.set_road_network(map_)
    predictor.warm_up()
    buffer, steps = HistoryBuffer(), count()
    for _ in range(11):
        history = buffer.push(crowd(next(steps), args.agents))
    rasterizer, lanes = SceneRasterizer(map_), LanePieces.of(map_)
    raster, inputs = rasterizer.render(history), network_inputs(history, lanes)
    embeddings = network.encode(raster, inputs)
    scenes = iter([crowd(step, args.agents) for step in range(args.runs + 20)])
    result = {
        "agents": args.agents,
        "plans": args.plans,
        "runs": args.runs,
        "model": network.name,
        "provider": network.provider,
        "raster_ms": measured(lambda: rasterizer.render(history), args.runs),
        "encoder_ms": measured(lambda: network.encode(raster, inputs), args.runs),
        "decoder_ms": measured(lambda: network.decode(embeddings, inputs.agent_pose, inputs.agent_velocity), args.runs),
        "predict_ms": measured(lambda: predictor.predict(next(scenes)), args.runs),
    }
    now = crowd(args.runs + 30, args.agents)
    predictor.predict(now)
    assert now.ego is not None
    request = WhatIfRequest(now.stamp_ns, plans(now.ego, args.plans), 60.0, affected_only=True)
    result["what_if_ms"] = measured(lambda: predictor.what_if(request), args.runs)
    result["what_if_affected"] = [len(p) for p in predictor.what_if(request).predictions]
    print(json.dumps(result | about()))


if __name__ == "__main__":
    main()
