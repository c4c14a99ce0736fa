"""Sensors of the simulated vehicle: LiDAR, radar, emulated camera detections, odometry; one call for all of them."""
