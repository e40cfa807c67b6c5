"""The cache, looked at and worked on from outside a gateway: `farthing cache`."""
