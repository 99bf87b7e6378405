"""Syncs the member's points and tier on the rewards platform: on login and order."""

from data_sync.clients import sync_with
from setpieces.eventbridge_consumer import bus_handler

handler = bus_handler(sync_with("vip"))
