"""What a request may ask for at most."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may ask for at most; more is refused before it costs memory.

    Attributes:
        message_bytes: int, the largest gRPC message and REST body, and the largest tensor that either announces.
        image_bytes: int, the largest encoded picture.
        image_pixels: int, the most pixels that a picture's header may state: of decompression bombs no byte is decoded.
        concurrent_requests: int, requests under way at once over each of gRPC and REST; further ones are refused.
        rest_timeout: float, seconds after which a REST request is answered with DEADLINE_EXCEEDED. gRPC clients state
            a deadline of their own.
    """

    message_bytes: int = 64 * 2**20
    image_bytes: int = 16 * 2**20
    image_pixels: int = 16 * 2**20
    concurrent_requests: int = 1024
    rest_timeout: float = 30.0
