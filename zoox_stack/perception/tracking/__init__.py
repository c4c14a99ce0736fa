"""Multi-object tracking: motion model, filter, matching, life cycle, and the tracker that joins them."""
