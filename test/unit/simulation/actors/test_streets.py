"""Where streets can be crossed and where cars park, on a street laid out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoox_stack.core.errors import InvalidInputError
from zoox_stack.simulation.actors.streets import StreetLane, crossing_places, parking_places, read_street_lanes

# eastbound: sidewalk (2 m), parking (2.2 m), lane (3.2 m) below y = 0; westbound: lane, sidewalk above it
STREET = """<net>
  <edge id="e"><lane id="e_0" index="0" allow="pedestrian" speed="13" width="2.0" shape="0,-6.4 100,-6.4"/>
    <lane id="e_1" index="1" allow="custom1" speed="13" width="2.2" shape="0,-4.3 100,-4.3"/>
    <lane id="e_2" index="2" disallow="pedestrian" speed="13" width="3.2" shape="0,-1.6 100,-1.6"/></edge>
  <edge id="w"><lane id="w_0" index="0" allow="pedestrian" speed="13" width="2.0" shape="100,4.2 0,4.2"/>
    <lane id="w_1" index="1" disallow="pedestrian" speed="13" width="3.2" shape="100,1.6 0,1.6"/></edge>
  <edge id=":j" function="internal"><lane id=":j_0" index="0" speed="13" shape="100,-1.6 110,-1.6"/></edge>
</net>"""


def _lanes(tmp_path: Path, net: str = STREET) -> list[StreetLane]:
    (tmp_path / "street.net.xml").write_text(net)
    return read_street_lanes(tmp_path / "street.net.xml")


def test_crossings_lead_from_sidewalk_to_sidewalk(tmp_path: Path) -> None:
    places = crossing_places(_lanes(tmp_path))
    assert len(places) > 10
    for place in places:
        assert place.on_foot
        assert place.start[0] == pytest.approx(place.end[0])
        assert 15 < place.start[0] < 85
        assert sorted((place.start[1], place.end[1])) == pytest.approx([-6.4, 4.2])
        kerbs = sorted(
            place.start[1] + np.sign(place.end[1] - place.start[1]) * k for k in (place.kerb, place.far_kerb)
        )
        assert kerbs == pytest.approx([-5.4, 3.2])  # of the parking lane, and of the westbound lane
    assert {place.start[1] < 0 for place in places} == {True, False}


def test_fast_roads_are_not_crossed(tmp_path: Path) -> None:
    assert crossing_places(_lanes(tmp_path, STREET.replace('speed="13"', 'speed="30"'))) == []


def test_cars_park_along_the_kerb(tmp_path: Path) -> None:
    places = parking_places(_lanes(tmp_path))
    assert len(places) == 10  # 100 m without 16 m at either end, 6.5 m each
    for place in places:
        assert (place.y, place.yaw, place.lane, place.edge) == (-4.3, 0.0, 2, "e")
        assert place.s == pytest.approx(place.x)
        assert place.aside == pytest.approx(2.7)
        assert place.joins


def test_nobody_pulls_out_over_a_bike_lane(tmp_path: Path) -> None:
    net = STREET.replace('disallow="pedestrian"', 'allow="bicycle"')
    assert not any(place.joins for place in parking_places(_lanes(tmp_path, net)))


def test_a_broken_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"street\.net\.xml"):
        _lanes(tmp_path, "<net><edge>")
