"""Model names of the gateway's own: they name a tier, or leave the choice to the router."""

PREFIX = "farthing/"
AUTO = f"{PREFIX}auto"
ALIASES = (AUTO, f"{PREFIX}cheap", f"{PREFIX}expensive")


def is_alias(model: str) -> bool:
    """Whether the name leaves the choice of a model to the gateway."""
    return model.startswith(PREFIX)
