"""The file of a trained router: an npz archive of plain arrays with a typed JSON header. Nothing in it is run."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from farthing.brain.route.cascade import answers
from farthing.brain.route.learned import features, trees
from farthing.brain.route.learned.base import FORMAT, Arrays, Header
from farthing.brain.route.learned.choose import Pool, pool_of
from farthing.brain.route.learned.scorer import Scorer
from farthing.core.errors import FarthingError

_HEADER = "header"
_MOST_BYTES = 1 << 30


class ArtefactUnusable(FarthingError):
    """A router's file is missing, broken, or made for another version. The gateway then routes by rules only."""

    code = "router_artefact_unusable"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A router ready to use."""

    header: Header
    scorer: Scorer
    after: trees.Forest | None
    agreed: trees.Forest | None
    arrays: Arrays
    pool: Pool | None


def save(path: Path, header: Header, arrays: Arrays) -> None:
    """Whole or not at all: written beside, then moved into place. An interrupted one leaves nothing behind."""
    page = np.frombuffer(msgspec.json.encode(header), np.uint8)
    beside = path.with_name(path.name + ".new")
    try:
        with beside.open("wb") as file:
            np.savez_compressed(file, **{_HEADER: page}, **arrays)  # pyright: ignore[reportArgumentType]
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def load(path: Path) -> Artefact:
    """Raises `ArtefactUnusable` and says what to do."""
    if not path.is_file():
        raise ArtefactUnusable(f"There is no router at {path}. 'farthing router train' writes one; 'farthing router promote' puts it in place.")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if sum(entry.file_size for entry in archive.zip.infolist()) > _MOST_BYTES:
                raise ArtefactUnusable(f"The router at {path} unpacks to more than 1 GB. Train a new one.")
            header = msgspec.json.decode(archive[_HEADER].tobytes(), type=Header)
            _check(path, header)
            arrays: Arrays = {name: archive[name] for name in archive.files if name != _HEADER}
        return assemble(header, arrays)
    except (OSError, KeyError, ValueError, IndexError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
        raise ArtefactUnusable(
            f"The router at {path} cannot be read ({type(error).__name__}: {str(error)[:120]}). Train or promote another."
        ) from error


def assemble(header: Header, arrays: Arrays) -> Artefact:
    """Raises `KeyError` or `ValueError` where header and arrays do not fit."""
    scorer = Scorer(arrays, header.kind)
    if scorer.labels.shape[1] != len(header.models) or bool(header.dims) is not scorer.embeds:
        raise ValueError("header and arrays do not fit")
    after = trees.unpack("after", arrays) if "after.feature" in arrays else None
    agreed = trees.unpack("agreed", arrays) if "agreed.feature" in arrays else None
    return Artefact(header, scorer, after, agreed, arrays, pool_of(header))


def _check(path: Path, header: Header) -> None:
    ours = (FORMAT, features.VERSION, answers.VERSION)
    theirs = (header.format, header.features_version, header.answers_version)
    if theirs != ours:
        raise ArtefactUnusable(
            f"The router at {path} was made by another version of Farthing (format {theirs}, this one reads {ours}). Train it anew."
        )
