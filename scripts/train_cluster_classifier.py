"""Make `zoox_stack/models/cluster_classifier.onnx`: drive, cluster, learn, measure. Ten minutes of a core.

.venv/bin/python scripts/train_cluster_classifier.py --work out/clusters --jobs 2
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from common import KNOWN

from zoox_stack.core.machine import machine
from zoox_stack.perception.cluster_classifier import SHIPPED
from zoox_stack.simulation.workers import Job, run_jobs
from zoox_stack.training.cluster_samples import ClusterSamples, SampleDrive, samples_of_drive
from zoox_stack.training.cluster_training import export, measure, train

RIGS = ("compact", "roof", "compact", "zoox")
# Towns, first seed and number of the drives in each; the seeds of the shipped prediction network, and none of others.
TO_LEARN = ((KNOWN, 1, 4), (("random",), 11, 8))
TO_MEASURE = ((KNOWN, 16, 1), (("random",), 81, 2))


def drives(parts: tuple[tuple[tuple[str, ...], int, int], ...]) -> list[SampleDrive]:
    """Every town with every seed, with one rig after the other."""
    pairs = [(town, seed) for towns, lowest, count in parts for town in towns for seed in range(lowest, lowest + count)]
    return [SampleDrive(town, seed, RIGS[(number + seed) % len(RIGS)]) for number, (town, seed) in enumerate(pairs)]


def samples(tasks: list[SampleDrive], work: Path, jobs: int) -> ClusterSamples:
    """Samples of drives, from the folder where they are known. Drives that have no place to begin are left out."""
    files = {str(task): work / f"{task.town}_{task.seed}_{task.rig}.npz" for task in tasks}
    todo = [Job(str(task), samples_of_drive, (task,)) for task in tasks if not files[str(task)].exists()]
    for outcome in run_jobs(todo, jobs):
        made = ClusterSamples.joined([]) if outcome.failure else outcome.result
        print(outcome.job.name, outcome.failure or f"{len(made.labels)} clusters", flush=True)
        np.savez(files[outcome.job.name], features=made.features, labels=made.labels)
    parts = []
    for file in files.values():
        with np.load(file) as kept:
            parts.append(ClusterSamples(kept["features"], kept["labels"]))
    return ClusterSamples.joined(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for samples; what is there is used again")
    parser.add_argument("--jobs", type=int, default=1, help="drives at a time")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="the ONNX file")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    learned = samples(drives(TO_LEARN), arguments.work, arguments.jobs)
    measured = samples(drives(TO_MEASURE), arguments.work, arguments.jobs)
    network = train(learned, report=lambda text: print(text, flush=True))
    export(network, arguments.out)
    print(json.dumps({"samples": len(learned.labels), "classes": measure(network, measured)} | machine()))


if __name__ == "__main__":
    main()
