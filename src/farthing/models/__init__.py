"""The muscle: every model service behind one door, with deadlines, retries and breakers.

A service that speaks HTTP is a row (`services.py`); anything else is a `Backend` (`base.py`).
"""
