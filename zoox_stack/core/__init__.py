"""The shared language of the stack: types, frames, geometry, time, errors. No ROS in here."""
