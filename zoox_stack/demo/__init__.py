"""The demo: the whole graph on the bundled scene, a live status, a report."""
