"""Syncs the customer's data on the commerce platform: on login, order, profile update and identity mismatch."""

from data_sync.clients import sync_with
from setpieces.eventbridge_consumer import bus_handler

handler = bus_handler(sync_with("customer"))
