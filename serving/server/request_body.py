"""Bodies of HTTP requests, none larger than allowed."""


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
