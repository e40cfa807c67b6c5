"""What can go wrong with an engine on this machine. Every message says what to change."""

from farthing.core.errors import FarthingError


class EngineError(FarthingError):
    """An engine cannot be started or kept."""

    code = "engine_error"


class EngineMissing(EngineError):
    """No engine that loads the model is installed; the message holds the install line."""

    code = "engine_missing"


class ModelUnusable(EngineError):
    """The model's file is missing, damaged or of the wrong kind."""

    code = "model_unusable"


class NoRoom(EngineError):
    """It would not fit into memory beside the others."""

    code = "not_enough_memory"


class PortTaken(EngineError):
    """Something else listens there."""

    code = "port_taken"


class EngineFailed(EngineError):
    """It was started, and ended or never answered; the message holds its last words."""

    code = "engine_failed"
