"""Parameters of perception, declared once; the perception node declares exactly these."""

from __future__ import annotations

from dataclasses import dataclass

from zoox_stack.core.parameters import parameter


@dataclass(frozen=True)
class PerceptionConfig:
    """Parameters of `Perception`. Meaning, unit and range stand with each field."""

    # sensor and region of interest
    sensor_x: float = parameter(1.0, "Position of the LiDAR ahead of base_link", unit="m", low=-20.0, high=20.0)
    sensor_y: float = parameter(0.0, "Position of the LiDAR left of base_link", unit="m", low=-5.0, high=5.0)
    reach: float = parameter(75.0, "Points farther from the LiDAR are not used", unit="m", low=5.0, high=200.0)
    thin_range: float = parameter(
        10.0, "Nearer obstacle points are dense: every second one is used", unit="m", low=0.0, high=200.0
    )
    ego_margin: float = parameter(
        0.3, "Points this close around the ego's box are its own", unit="m", low=0.0, high=2.0
    )
    # ground
    ground_sectors: int = parameter(240, "Sectors of the polar ground grid", low=36, high=360)
    ground_max_slope: float = parameter(0.3, "Largest slope of the ground, rise over run", low=0.02, high=1.0)
    ground_slope_change: float = parameter(0.06, "Largest change of slope between rings", low=0.005, high=0.5)
    ground_step: float = parameter(0.2, "Step that the ground may take at once (kerb)", unit="m", low=0.05, high=0.5)
    ground_seed_tolerance: float = parameter(
        0.6, "How far the ground at the vehicle may lie from z = 0 of base_link", unit="m", low=0.05, high=2.0
    )
    obstacle_height: float = parameter(0.25, "Points lower above ground belong to it", unit="m", low=0.05, high=1.0)
    max_height: float = parameter(4.2, "Points higher above ground are not used", unit="m", low=1.0, high=20.0)
    # clustering
    clustering: str = parameter(
        "levels", "Clustering method: nested clusters of which the best are chosen, or those of one level",
        choices=("levels", "grid", "dbscan"),
    )  # fmt: skip
    overhead: float = parameter(
        2.2, "Points higher than this only join what stands under them", unit="m", low=0.5, high=10.0
    )
    vertical_gap: float = parameter(
        0.6, "Points above an empty height of this size do not belong to what is below", unit="m", low=0.2, high=3.0
    )
    cell: float = parameter(0.2, "Cell of the clustering grid, voxel of DBSCAN", unit="m", low=0.05, high=1.0)
    widen_ranges: tuple[float, ...] = parameter(
        (45.0,), "Ranges beyond which grid cells are widened by one more cell", unit="m", low=0.0, high=200.0
    )
    join_ranges: tuple[float, ...] = parameter(
        (5.0, 20.0, 40.0), "The same for the second level of clusters", unit="m", low=0.0, high=200.0
    )
    join_far_ranges: tuple[float, ...] = parameter(
        (0.0, 0.0, 15.0, 30.0, 45.0), "The same for the third level of clusters", unit="m", low=0.0, high=200.0
    )
    join_extent: float = parameter(
        8.0, "Clusters of higher levels with a longer diagonal are left out", unit="m", low=3.0, high=100.0
    )
    dbscan_eps: float = parameter(0.7, "Neighbour distance of DBSCAN", unit="m", low=0.1, high=3.0)
    min_points: int = parameter(5, "Smaller clusters are dropped", low=1, high=1000)
    split_extent: float = parameter(
        6.0, "Clusters of one level with a longer diagonal are split more finely", unit="m", low=3.0, high=100.0
    )
    thing_extent: float = parameter(
        2.5, "Nested clusters of no class are one thing if they are not longer", unit="m", low=0.0, high=100.0
    )
    # detections
    max_length: float = parameter(25.0, "Longer boxes are structures, not road users", unit="m", low=5.0, high=100.0)
    max_width: float = parameter(4.5, "Wider boxes are structures, not road users", unit="m", low=2.0, high=50.0)
    classifier: str = parameter(
        "learned", "Classes by a learned network, or by rules of size", choices=("learned", "size")
    )
    classifier_path: str = parameter("", "ONNX file of the network; empty: the one shipped")
    size_weight: float = parameter(
        0.25, "Share of the rules of size beside the network, which has seen simulated sweeps alone", low=0.0, high=1.0
    )
    unknown_prior: float = parameter(
        0.3, "By rules of size: weight of 'no known class' against the class priors", low=1e-4, high=10.0
    )
    road_margin: float = parameter(
        2.0, "With a map: unknown objects farther off the drivable area are dropped", unit="m", low=0.0, high=50.0
    )
    road_margin_movable: float = parameter(
        20.0,
        "With a map: objects that could move are dropped only farther off the drivable area",
        unit="m",
        low=0.0,
        high=200.0,
    )
    max_detections: int = parameter(300, "The best-scored are kept if there are more", low=1, high=2000)
    # Association of detections with tracks.
    gate: float = parameter(13.8, "Largest squared Mahalanobis distance of a match (13.8: 99.9 %)", low=1.0, high=100.0)
    max_speed: float = parameter(60.0, "Matches that need a higher speed are refused", unit="m/s", low=1.0, high=150.0)
    class_weight: float = parameter(2.0, "Cost of a match between classes that exclude each other", low=0.0, high=20.0)
    # Life of tracks.
    birth_score: float = parameter(0.1, "Detections with a lower score do not start a track", low=0.0, high=1.0)
    confirm_probability: float = parameter(
        0.7, "Existence probability at which a track is put out", low=0.05, high=0.999
    )
    report_unknown: bool = parameter(
        True, "Put out confirmed tracks of unknown class (obstacles that may not be road users)"
    )
    min_hits: int = parameter(3, "Detections a track needs before it is put out", low=1, high=20)
    death_probability: float = parameter(0.1, "Existence probability below which a track ends", low=0.001, high=0.9)
    max_coast: float = parameter(
        1.5, "Longest time a confirmed track lives without detection", unit="s", low=0.0, high=10.0
    )
    # time
    reset_jump: float = parameter(
        0.5, "A stamp this much older than the last one starts anew", unit="s", low=0.0, high=60.0
    )
    max_gap: float = parameter(
        2.0, "After a longer gap between stamps all tracks are dropped", unit="s", low=0.1, high=60.0
    )
    max_ego_age: float = parameter(0.2, "Largest difference of stamps of ego and sweep", unit="s", low=0.0, high=5.0)
