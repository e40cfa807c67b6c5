"""The kinds of waste, one finder each."""
