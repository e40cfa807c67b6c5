"""Training and judging routers: from graded prompts to an artefact that promises a floor, its model card and its plot.

Needs the extra `train` (LightGBM) to train; evaluating and explaining need numpy only.
"""
