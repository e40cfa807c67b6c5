"""Pictures as dialects write them: an address, or `data:` with the content in it."""

import re

from farthing.core.conversation import Image
from farthing.core.errors import InvalidRequest

_DATA_URL = re.compile(r"data:([a-zA-Z0-9.+/-]+);base64,")


def parse_image_url(url: str, detail: str | None, at: str) -> Image:
    """An address or a `data:` URL. `at` is the field's path, for the error."""
    if not url.startswith("data:"):
        return Image(url=url, detail=detail)
    head = _DATA_URL.match(url)
    if head is None:
        raise InvalidRequest(f"Wrong value at '{at}': send an https address or data:<media type>;base64,<content>.", param=at)
    return Image(base64=url[head.end() :], media_type=head[1], detail=detail)


def image_url(image: Image) -> str:
    """The picture as one URL."""
    return image.url if image.url is not None else f"data:{image.media_type};base64,{image.base64}"
