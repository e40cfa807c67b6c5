"""The dashboard: what was saved, whether quality held, and where the rest went. Views of the rollups, as blocks and charts of `farthing.page`.

Guarantees: views are pure (a connection and a window in, a panel out) and read rollups only, but for single requests by their id; every panel
carries the figures that it shows, for CSV and JSON. Who may see it is the edge's business (edge/dashboard.py).
"""

from farthing.dashboard.gallery import Gallery
from farthing.dashboard.panel import Figures, Panel
from farthing.dashboard.view import View, read_view

__all__ = ["Figures", "Gallery", "Panel", "View", "read_view"]
