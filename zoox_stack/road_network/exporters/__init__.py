"""`RoadNetwork` as files of other formats."""
