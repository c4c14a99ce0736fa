"""Runner of ROS 2 XML launch files for machines without launch_ros."""
