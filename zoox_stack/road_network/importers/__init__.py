"""Road networks of other formats as `RoadNetwork`."""
