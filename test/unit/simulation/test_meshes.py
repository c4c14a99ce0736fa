"""Road users to a ray: they fill their boxes, and look like what they are."""

from __future__ import annotations

import numpy as np
import pytest

from zoox_stack.core.classes import AgentClass
from zoox_stack.simulation.agent_meshes import agent_mesh
from zoox_stack.simulation.meshes import GLASS, Mesh, blob, box, join, tube

SIZES = {
    AgentClass.CAR: [(3.7, 1.65, 1.4), (5.1, 2.0, 2.0)],  # a small car and a van
    AgentClass.TRUCK: [(6.5, 2.2, 2.7), (14.0, 2.5, 3.7)],  # without and with a trailer
    AgentClass.BUS: [(12.0, 2.5, 3.1)],
    AgentClass.TRAILER: [(5.0, 2.2, 2.4)],
    AgentClass.MOTORCYCLE: [(2.1, 0.8, 1.6)],
    AgentClass.BICYCLE: [(1.8, 0.65, 1.75)],
    AgentClass.PEDESTRIAN: [(0.6, 0.6, 1.75), (0.45, 0.45, 1.0)],
    AgentClass.ANIMAL: [(0.9, 0.35, 0.7), (0.6, 0.6, 1.7)],
    AgentClass.HAZARD: [(0.4, 0.4, 0.7)],
    AgentClass.UNKNOWN: [(1.0, 2.0, 3.0)],
}
CASES = [(kind, size) for kind, sizes in SIZES.items() for size in sizes]


def span(mesh: Mesh) -> np.ndarray:
    return np.asarray(mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0))


def test_every_class_has_a_mesh() -> None:
    assert set(SIZES) == set(AgentClass)


@pytest.mark.parametrize(("kind", "size"), CASES)
def test_meshes_fill_their_boxes(kind: AgentClass, size: tuple[float, float, float]) -> None:
    mesh = agent_mesh(kind, *size)
    assert (span(mesh) <= np.array(size) + 1e-5).all()
    assert (span(mesh) >= 0.97 * np.array(size)).all()
    np.testing.assert_allclose(mesh.vertices.max(axis=0) + mesh.vertices.min(axis=0), [0, 0, size[2]], atol=0.03)
    assert mesh.triangles.max() == len(mesh.vertices) - 1
    assert len(mesh.reflectivity) == len(mesh.triangles)


@pytest.mark.parametrize("kind", [AgentClass.PEDESTRIAN, AgentClass.ANIMAL, AgentClass.BICYCLE])
@pytest.mark.parametrize("phase", np.linspace(0, 2 * np.pi, 7).tolist())
def test_walkers_stay_in_their_boxes_at_every_step(kind: AgentClass, phase: float) -> None:
    size = np.array(SIZES[kind][0])
    mesh = agent_mesh(kind, *size.tolist(), phase=phase)
    assert (np.abs(mesh.vertices[:, :2]) <= size[:2] / 2 + 1e-5).all()
    assert mesh.vertices[:, 2].min() == pytest.approx(0, abs=1e-6)
    assert mesh.vertices[:, 2].max() == pytest.approx(size[2])


def test_legs_are_apart_in_stride_and_together_in_passing() -> None:
    apart, together = (agent_mesh(AgentClass.PEDESTRIAN, 0.7, 0.6, 1.75, phase=p) for p in (0.0, np.pi / 2))
    feet = [m.vertices[m.vertices[:, 2] < 0.08, 0] for m in (apart, together)]
    assert np.ptp(feet[0]) > 0.6
    assert np.ptp(feet[1]) < 0.3


def low(mesh: Mesh, height: float) -> np.ndarray:
    """Vertices below a height."""
    return np.asarray(mesh.vertices[mesh.vertices[:, 2] < height])


def test_one_can_look_under_a_car_between_its_wheels() -> None:
    feet = low(agent_mesh(AgentClass.CAR, 4.5, 1.8, 1.5), 0.1)
    assert len(feet) > 0
    assert np.abs(feet[:, 0]).min() > 0.8  # nothing near the ground in the middle


def test_windows_are_glass() -> None:
    closed = agent_mesh(AgentClass.CAR, 4.5, 1.8, 1.5)
    assert 4 <= (closed.reflectivity == np.float32(GLASS)).sum() < len(closed.triangles) / 2


@pytest.mark.parametrize(
    "shape", [tube((0, 0, 0), (1, 2, 3), 0.2, closed=True), blob((1, 2, 3), (1, 2, 0.5)), box((0, 1), (0, 1), (0, 1))]
)
def test_bodies_are_closed(shape: Mesh) -> None:
    edges = np.sort(shape.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()


def test_joining_and_painting() -> None:
    both = join(box((0, 1), (0, 1), (0, 1)).painted(0.1), box((2, 3), (0, 1), (0, 1)).placed(0, 0, np.pi / 2, 1.0))
    assert both.reflectivity.tolist() == pytest.approx([0.1] * 12 + [0.5] * 12)
    np.testing.assert_allclose(both.vertices[both.triangles[12:]].reshape(-1, 3).max(axis=0), [0, 3, 2], atol=1e-6)
    assert len(join().triangles) == 0
