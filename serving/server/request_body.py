"""Bodies of HTTP requests, none larger than allowed."""

import zlib

from serving.server.errors import Code, ServingError


async def read_body(request, limit):
    """Reads a body as it comes, and gives up as soon as it is too large.

    Args:
        request: `starlette.requests.Request`.
        limit: int, bytes.

    Returns:
        bytes, or `None` if the body is larger than the limit.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def uncompress(body, limit):
    """Uncompresses a body with `Content-Encoding: gzip`, as TensorFlow Serving does.

    Args:
        body: bytes.
        limit: int, bytes when uncompressed; not more of a decompression bomb is.

    Returns:
        bytes.

    Raises:
        ServingError: INVALID_ARGUMENT if it is not gzip, cut off or too large.
    """
    gzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = gzip.decompress(body, limit + 1)
    except zlib.error:
        plain = b""
    if len(plain) > limit:
        raise ServingError(Code.INVALID_ARGUMENT, f"Request body is larger than {limit} bytes when uncompressed")
    if not gzip.eof or gzip.unused_data:
        raise ServingError(Code.INVALID_ARGUMENT, "Failed to uncompress the gzipped body")
    return plain
