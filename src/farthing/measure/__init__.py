"""Listeners: told of every settled exchange, they count and export."""
