"""The semantic lane: an answer is served to a question that asks the same in other words, and how often that is wrong is bounded.

Guarantees: of the answers served by meaning at most `cache.semantic.max_wrong_per_hit` are wrong, as far as the labels go: a namespace serves nothing
until a threshold is certified for it (`certify`), some of what would be served is asked anew for ever to keep the certificate honest, and a number,
a negation or a quotation that differs is never served over. Costs: 0.3 ms a question besides embedding it; a judge's verdict a miss.
Off: `cache.semantic.mode = "off"` (the default), or what switches the cache off.
"""
