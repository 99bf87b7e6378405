"""The processes of the local cloud, and the edits of the developer in them."""
