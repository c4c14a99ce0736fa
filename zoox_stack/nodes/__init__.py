"""The processes of the graph: thin shells that subscribe, convert, call the core, publish.

Thread counts are set here, before numpy and its libraries are loaded: small matrices gain nothing from threads, and
six processes share the cores.
"""

import os

for _name, _value in {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": str(min(os.cpu_count() or 1, 4)),
    "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads would take the cores from the next stage
}.items():
    os.environ.setdefault(_name, _value)
