"""What levers read in a text: where its sentences end, the words that it is found by, an operator's patterns.

Below the levers, which do not import each other. Pure.
"""
