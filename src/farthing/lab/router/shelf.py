"""Where routers stand: the one in place, those before it, and the newly trained. Promoting and rolling back are moves of files."""

from pathlib import Path

from farthing.brain.route.learned.artefact import load
from farthing.core.errors import FarthingError

_KEPT = 5


class NothingToRollBack(FarthingError):
    """No router was in place before this one."""

    code = "nothing_to_roll_back"


def promote(candidate: Path, place: Path) -> str:
    """Put a router in place, the present one behind it. Returns its version; raises `ArtefactUnusable` and changes nothing when it is broken."""
    version = load(candidate).header.version
    content = candidate.read_bytes()
    for number in range(_KEPT - 1, 0, -1):
        if (older := _before(place, number)).exists():
            older.replace(_before(place, number + 1))
    if place.exists():
        place.replace(_before(place, 1))
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(place.name + ".new")
    beside.write_bytes(content)
    beside.replace(place)
    return version


def rollback(place: Path) -> str:
    """Put the router before this one back. Returns its version; raises `NothingToRollBack`."""
    previous = _before(place, 1)
    if not previous.exists():
        raise NothingToRollBack(f"No router was in place before {place}. To route by rules only, set `route.learned.enabled = false`.")
    version = load(previous).header.version
    previous.replace(place)
    for number in range(2, _KEPT + 1):
        if (older := _before(place, number)).exists():
            older.replace(_before(place, number - 1))
    return version


def _before(place: Path, number: int) -> Path:
    return place.with_name(f"{place.name}.{number}")
