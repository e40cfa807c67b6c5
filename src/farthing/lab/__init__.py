"""The second look: reads what the gateway wrote down and works out what it means."""
