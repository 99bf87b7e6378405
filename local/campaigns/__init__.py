"""Reports and long campaigns on this machine: the demo, permissions, conditions, faults, load."""
