"""Languages: bytes to core types and back, without any input or output."""
