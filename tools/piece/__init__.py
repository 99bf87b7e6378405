"""``make piece NAME=coupons``: a new service that deploys, with its tests, its page and its place in the shop."""
