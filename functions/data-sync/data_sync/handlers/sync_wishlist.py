"""Syncs the wish list with the commerce platform: on login."""

from data_sync.workflow import sync_events
from setpieces.eventbridge_consumer import bus_handler

handler = bus_handler(sync_events("wishlist"))
