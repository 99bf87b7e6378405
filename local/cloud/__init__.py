"""Start, stop and status of the local cloud's processes, and the watch that brings edits into them."""
