"""Every deployed API under one address on loopback, with the paths of the custom domain."""
