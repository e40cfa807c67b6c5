"""From a configuration to running objects: the only place that knows everyone."""

from farthing.assemble.house import build_house, judging_tools
from farthing.assemble.running import Running
from farthing.assemble.serve import is_loopback, serve

__all__ = ["Running", "build_house", "is_loopback", "judging_tools", "serve"]
