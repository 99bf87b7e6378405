"""Syncs the customer's wish list on the commerce platform: on login."""

from data_sync.clients import sync_with
from setpieces.eventbridge_consumer import bus_handler

handler = bus_handler(sync_with("wishlist"))
