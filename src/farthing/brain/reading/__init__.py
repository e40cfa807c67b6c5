"""What levers read in a text: where its sentences end, and the words that it is found by. Below the levers, which do not import each other. Pure."""
