"""The processes of the graph: thin shells that subscribe, convert, call the core, publish.

Thread counts are set here, before numpy and its libraries are loaded: small matrices gain nothing from threads, and
six processes share the cores.

A node that is told to end while it still loads has nothing to end: it goes at once, with exit code 0. `run_node` takes
over from there.
"""

import os
import signal
import sys
from pathlib import Path

for _name, _value in {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": str(min(os.cpu_count() or 1, 4)),
    "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads would take the cores from the next stage
}.items():
    os.environ.setdefault(_name, _value)


def _runs_a_node() -> bool:
    """Whether this process is a node (a module of this package or its executable), not a program that imports one."""
    own = Path(__file__).parent
    executables = {f"{__name__}.{module.stem}" for module in own.glob("[a-z]*.py")}
    script = Path(sys.argv[0])
    return not executables.isdisjoint(sys.orig_argv) or (script.parent.name == "zoox_stack" and script.suffix == "")


if _runs_a_node():
    for _signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_signal, lambda *_: os._exit(0))
