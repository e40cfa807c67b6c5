"""`farthing report`: what requests cost, what they would have cost, which lever saved what, where the money goes, and whether quality held.

Guarantees: reads only, within one snapshot; money is exact (whole picodollars) and the parts of the account add up to the whole in every group;
intervals are drawn over runs, not over calls, and the same store gives the same ones; quantiles are exact (nearest rank); a figure that leaves
rows out says how many.
Costs: 8 to 10 s of CPU for a million rows, 342 MB of memory (bench/report.py).
"""

from farthing.lab.report.figures import Group, Report
from farthing.lab.report.reading import report

__all__ = ["Group", "Report", "report"]
