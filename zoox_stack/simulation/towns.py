"""Small made-up towns: definition and seed → plan → SUMO network.

Coordinates are those of the plan: netconvert is told not to shift them, so that positions from SUMO are map positions.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from zoox_stack.core.errors import ConfigurationError
from zoox_stack.road_network.importers.sumo_net import SumoNet, read_sumo_net
from zoox_stack.simulation.demand import DemandConfig
from zoox_stack.simulation.ego_route import ego_route
from zoox_stack.simulation.net_finish import finish_net
from zoox_stack.simulation.plain_files import write_plain
from zoox_stack.simulation.town_definition import TownDefinition, load_town_definition

_LEAST_ROUTE = 150.0  # [m] that an ego must be able to drive in every town
LAYOUTS = ("signal_grid", "arterial", "priority_grid", "roundabout")  # towns of the training sets
_NETCONVERT = (
    "--offset.disable-normalization", "--crossings.guess", "--crossings.guess.speed-threshold", "17",
    "--walkingareas", "--default.crossing-width", "3.5",
    "--no-turnarounds", "--junctions.corner-detail", "6", "--junctions.internal-link-detail", "12",
    "--tls.default-type", "static", "--tls.cycle.time", "64", "--tls.left-green.time", "8", "--tls.allred.time", "2",
    "--tls.crossing-clearance.time", "6",
    "--default.junctions.radius", "6", "--rectangular-lane-cut",
)  # fmt: skip


@dataclass(frozen=True)
class Town:
    """A built town.

    Attributes:
        name: Definition and seed, for example ``"village_3"``.
        net_path: SUMO network file.
        net: Its contents: the road network and what ties it to SUMO's names.
        additional_path: SUMO file of bus stops; None where there are none.
        demand: How busy, and with whom, unless somebody asks for something else.
        definition: What the town was made of.
    """

    name: str
    net_path: Path
    net: SumoNet
    additional_path: Path | None
    demand: DemandConfig
    definition: TownDefinition


def build_town(name_or_path: str | Path, seed: int, folder: Path) -> Town:
    """Draw a town and run netconvert on it.

    Args:
        name_or_path: See `load_town_definition`.
        seed: The same seed gives the same town.
        folder: Where the SUMO files go.

    Raises:
        ConfigurationError: Unknown town, wrong definition, SUMO not installed, or netconvert failed.
        InvalidInputError: There is no route for an ego in the town.
    """
    definition = load_town_definition(name_or_path)
    plan = definition.plan(seed)
    folder.mkdir(parents=True, exist_ok=True)
    net_path, additional_path = folder / f"{plan.name}.net.xml", folder / f"{plan.name}.add.xml"
    files = write_plain(plan, folder / plan.name)
    command = [str(sumo_binary("netconvert")), *files, "--output-file", str(net_path), *_NETCONVERT, "--no-warnings"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ConfigurationError(f"netconvert failed for town {plan.name}: {(done.stderr or done.stdout).strip()}")
    has_stops = finish_net(plan, net_path, additional_path)
    town = Town(
        name=plan.name,
        net_path=net_path,
        net=read_sumo_net(net_path, additional_path if has_stops else None),
        additional_path=additional_path if has_stops else None,
        demand=definition.demand,
        definition=definition,
    )
    ego_route(town, seed, _LEAST_ROUTE)
    return town


def sumo_binary(name: str) -> Path:
    """Path of a SUMO program from the eclipse-sumo package.

    Raises:
        ConfigurationError: The package is not installed.
    """
    try:
        import sumo
    except ImportError as error:
        raise ConfigurationError("SUMO is not installed: pip install 'zoox_stack[simulation]'") from error
    return Path(sumo.SUMO_HOME) / "bin" / name
