"""Reports and campaigns that need the running local cloud: permissions, conditions, faults, load."""
