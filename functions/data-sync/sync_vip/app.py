"""Syncs the member's points and tier on the rewards platform: on login and order."""

from data_sync_spokes import sync_with

from setpieces.bus_consumer import bus_handler

handler = bus_handler(sync_with("vip"))
