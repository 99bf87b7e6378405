"""Syncs the points and the tier of a member with the rewards platform: on login and order complete."""

from data_sync.workflow import sync_events
from setpieces.eventbridge_consumer import bus_handler

handler = bus_handler(sync_events("vip"))
