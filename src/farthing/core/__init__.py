"""The nouns: what a request, an answer, money and an error are. Imports nothing of ours."""
