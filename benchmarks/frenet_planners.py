"""Making and checking candidates, beside frenetix and commonroad-reactive-planner, on the same scenes. Prints JSON.

The other two live in a virtual environment of their own:

    python3 -m venv ~/frenetix-venv
    ~/frenetix-venv/bin/pip install frenetix commonroad-reactive-planner

Each planner samples about as many candidates with a horizon of 8 s in steps of 0.1 s around the same reference path
from the same state and checks all of them for feasibility; nothing is compared with other road users. The first part of
this file runs here, the second in the other environment, with that environment's libraries alone.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPEED, OFFSET = 10.0, 0.4  # [m/s], [m] to the left of the path
HORIZON, STEP = 8.0, 0.1  # [s]
CANDIDATES = 400
RADIUS = 60.0  # [m] of the curved path, after a straight start
_BEFORE, _LENGTH = 20.0, 220.0  # [m]
_LEAST_TIME = 1.6  # [s] shortest candidate of the other planners
_SIDEWAYS = 3.0  # [m] candidates of the other planners end so far to either side
_OTHERS = ("frenetix", "commonroad-reactive-planner")


def path_of(name: str) -> NDArray[np.float64]:
    """Points of a reference path every metre, ``[P, 2]`` [m]; the ego is `_BEFORE` behind its begin, at the origin."""
    s = np.arange(-_BEFORE, _LENGTH)
    turned = np.maximum(s - _BEFORE, 0.0) / RADIUS if name == "curved" else np.zeros(len(s))
    middle = (turned[1:] + turned[:-1]) / 2
    steps = np.diff(s)[:, None] * np.stack([np.cos(middle), np.sin(middle)], axis=1)
    return np.cumsum(np.concatenate([[[-_BEFORE, 0.0]], steps]), axis=0)


def measure(call: Callable[[], tuple[int, int]], runs: int) -> dict[str, Any]:
    """Wall time of a call [ms]; it returns how many candidates it made and how many are feasible."""
    for _ in range(5):
        made, feasible = call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    found = dict(zip(("p50", "p95", "p99"), np.percentile(times, (50, 95, 99)).round(2).tolist(), strict=True))
    return {"candidates": made, "feasible": feasible, "runs": runs, "ms": found | {"min": round(min(times), 2)}}


def ours(name: str, runs: int) -> dict[str, Any]:
    """Our planner; it also works out the costs of the ego's own motion in the same pass."""
    from zoox_stack.core.agents import EgoState, TrackedAgents
    from zoox_stack.core.constant_velocity import constant_velocity_prediction
    from zoox_stack.planning.candidates import make_candidates
    from zoox_stack.planning.config import PlannerConfig
    from zoox_stack.planning.feasibility import check_motion
    from zoox_stack.planning.path_agents import find_path_agents
    from zoox_stack.planning.reference_path import PathSource, ReferencePath
    from zoox_stack.road_network.polyline import Polyline
    from zoox_stack.road_network.queries import StopPoints

    line = Polyline.from_points(path_of(name))
    ego = EgoState(1, 0.0, OFFSET, speed=SPEED)
    foot = line.project_pose(ego.x, ego.y, ego.yaw, 0.0, line.length)
    assert foot is not None
    limit, lanes = np.full(len(line.s), np.nan), np.full(len(line.s), -1)
    stops = StopPoints(np.zeros(0), ())
    path = ReferencePath(
        line, PathSource.LANES, float(foot.s[0]), float(foot.d[0]), limit, stops, 3.5, -3.5, lanes, lanes >= 0
    )
    nobody = constant_velocity_prediction(TrackedAgents.empty(1, ego))
    agents = find_path_agents(path, ego, nobody, *(np.zeros(n) for n in ((0, 2), 0, (0, 2), 0)))
    config = PlannerConfig()

    def call() -> tuple[int, int]:
        candidates = make_candidates(path, ego, agents, config)
        motion = check_motion(candidates, path, ego, np.zeros(0), None, None, config)
        return len(candidates), int((motion.rejections == 0).sum())

    return measure(call, runs)


def main() -> int:
    """Measure and print; the others are left out where no environment with them is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--others", type=Path, metavar="PYTHON", help="python of the environment with the other two")
    parser.add_argument("--runs", type=int, default=50, help="measured calls (default: 50)")
    parser.add_argument("--only", choices=_OTHERS, help=argparse.SUPPRESS)  # in the other environment
    args = parser.parse_args()
    scenes = ("straight", "curved")
    if args.only:
        print(json.dumps({scene: _PLANNERS[args.only](scene, args.runs) for scene in scenes}))
        return 0
    from benchmarks._scenes import about

    found: dict[str, Any] = {"zoox_stack": {scene: ours(scene, args.runs) for scene in scenes}}
    for name in _OTHERS if args.others else ():
        command = [str(args.others), __file__, "--only", name, "--runs", str(args.runs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"frenet_planners: {name} could not be measured with {args.others}", file=sys.stderr)
            return 1
        found[name] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps({"planners": found, "horizon_s": HORIZON, "step_s": STEP, "speed": SPEED, **about()}))
    return 0


# --- in the other environment -----------------------------------------------------------------------------------------


def _frenetix(name: str, runs: int) -> dict[str, Any]:
    """As the Frenetix motion planner calls its library: samples, coordinates, four checks of the whole trajectory."""
    fx: Any = importlib.import_module("frenetix")
    checks = fx.trajectory_functions.feasability_functions
    vehicle = _vehicle()
    start = fx.CartesianPlannerState(np.array([0.0, OFFSET]), 0.0, SPEED, 0.0, 0.0)
    system = fx.CoordinateSystemWrapper(path_of(name))
    state = fx.compute_initial_state(system, start, vehicle.wheelbase, False)
    s, d = np.asarray(state.x0_lon), np.asarray(state.x0_lat)
    handler = fx.TrajectoryHandler(dt=STEP)
    handler.add_feasability_function(checks.CheckYawRateConstraint(vehicle.delta_max, vehicle.wheelbase, True))
    handler.add_feasability_function(checks.CheckAccelerationConstraint(vehicle.v_switch, vehicle.a_max, True))
    handler.add_feasability_function(checks.CheckCurvatureConstraint(vehicle.delta_max, vehicle.wheelbase, True))
    handler.add_feasability_function(checks.CheckCurvatureRateConstraint(vehicle.wheelbase, vehicle.v_delta_max, True))
    handler.add_function(fx.trajectory_functions.FillCoordinates(False, 0.0, system, HORIZON))
    times, speeds = np.linspace(_LEAST_TIME, HORIZON, 8), np.linspace(0.5 * SPEED, 1.3 * SPEED, 7)
    offsets = np.linspace(-_SIDEWAYS, _SIDEWAYS, 7)

    def call() -> tuple[int, int]:
        t, v, end = (axis.ravel() for axis in np.meshgrid(times, speeds, offsets, indexing="ij"))
        none = np.zeros(len(t))
        same = [np.full(len(t), value) for value in (*s, *d)]
        columns = [none, t, *same[:3], v, none, *same[3:], end, none, none]
        handler.reset_Trajectories()
        handler.generate_trajectories(np.stack(columns, axis=1), False)
        handler.evaluate_all_current_functions_concurrent(False)
        return len(t), handler.get_feasible_count()

    return measure(call, runs)


def _reactive_planner(name: str, runs: int) -> dict[str, Any]:
    """As its `plan` does it: a bundle of samples, then the kinematic check; the level next to `CANDIDATES`."""
    settings: Any = importlib.import_module("commonroad_rp.utility.config")
    planners: Any = importlib.import_module("commonroad_rp.reactive_planner")
    states: Any = importlib.import_module("commonroad_rp.state")
    systems: Any = importlib.import_module("commonroad_rp.utility.utils_coordinate_system")
    clcs: Any = importlib.import_module("commonroad_clcs.config")
    scenarios: Any = importlib.import_module("commonroad.scenario.scenario")
    config = settings.ReactivePlannerConfiguration()
    config.planning.dt, config.planning.time_steps_computation = STEP, round(HORIZON / STEP)
    config.sampling.t_min, config.sampling.d_min, config.sampling.d_max = _LEAST_TIME, -_SIDEWAYS, _SIDEWAYS
    config.debug.multiproc, config.debug.logging_level = False, "ERROR"
    config.scenario = scenarios.Scenario(dt=STEP)
    start = states.ReactivePlannerState(
        time_step=0, position=np.array([0.0, OFFSET]), velocity=SPEED, orientation=0.0, steering_angle=0.0,
        acceleration=0.0, yaw_rate=0.0,
    )  # fmt: skip
    config.planning_problem = _problem()
    planner = planners.ReactivePlanner(config)
    planner.x_0 = start
    system = systems.CoordinateSystem(path_of(name), clcs_params=clcs.CLCSParams())
    planner.set_reference_path(coordinate_system=system)
    planner.set_desired_velocity(SPEED, SPEED)
    planner.set_v_sampling_parameters(0.5 * SPEED, 1.3 * SPEED)

    def bundle(level: int) -> Any:
        lon, lat = planner._compute_initial_states(start)  # noqa: SLF001 - `plan` makes more than this
        return planner._create_trajectory_bundle(lon, lat, samp_level=level).trajectories  # noqa: SLF001

    level = min(range(config.sampling.num_sampling_levels), key=lambda k: abs(len(bundle(k)) - CANDIDATES))

    def call() -> tuple[int, int]:
        planner._reset_statistics()  # noqa: SLF001
        made = bundle(level)
        feasible, _ = planner._check_kinematics(made)  # noqa: SLF001
        return len(made), len(feasible)

    return measure(call, runs)


def _vehicle() -> Any:
    return importlib.import_module("commonroad_rp.utility.config").VehicleConfiguration()


def _problem() -> Any:
    """A planning problem that starts where the ego is; what it asks for does not matter."""
    problems: Any = importlib.import_module("commonroad.planning.planning_problem")
    goals: Any = importlib.import_module("commonroad.planning.goal")
    states: Any = importlib.import_module("commonroad.scenario.state")
    intervals: Any = importlib.import_module("commonroad.common.util")
    start = states.InitialState(
        time_step=0, position=np.array([0.0, OFFSET]), velocity=SPEED, orientation=0.0, yaw_rate=0.0, slip_angle=0.0,
        acceleration=0.0,
    )  # fmt: skip
    goal = goals.GoalRegion([states.CustomState(time_step=intervals.Interval(0, round(HORIZON / STEP)))])
    return problems.PlanningProblem(1, start, goal)


_PLANNERS: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "frenetix": _frenetix,
    "commonroad-reactive-planner": _reactive_planner,
}


if __name__ == "__main__":
    raise SystemExit(main())
