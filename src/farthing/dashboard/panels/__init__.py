"""One file a panel: each is a function from a `Reader` to a `Panel`."""
