"""Logs of model calls, whoever wrote them: found by content, read as a stream, one noun for all of them."""
