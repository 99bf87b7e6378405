"""Syncs the customer with the commerce platform: on login, order complete, profile update and identity mismatch."""

from data_sync.workflow import sync_events
from setpieces.eventbridge_consumer import bus_handler

handler = bus_handler(sync_events("customer"))
