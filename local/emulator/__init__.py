"""MiniStack in a process of our own, patched where it differs from AWS for the deployed templates."""
