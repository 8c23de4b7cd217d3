"""Log lines: readable ones for a terminal, JSON ones for a log collector. Neither holds anything of a picture."""

import contextlib
import json
import logging
import time

logger = logging.getLogger("serving.requests")


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON: time, level, logger, message, and what the record adds in `fields`."""

    def format(self, record):
        """Returns the line of a `logging.LogRecord`."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_request(entrypoint, api, model_name, code, seconds, reason=""):
    """Writes the line of one request, where requests are logged: at the level DEBUG, those refused at INFO.

    Args:
        entrypoint: `GRPC` or `REST`.
        api: str, such as `Predict`.
        model_name: str.
        code: `errors.Code` of the answer.
        seconds: float.
        reason: str, that of a `errors.ServingError`.
    """
    level = logging.INFO if code else logging.DEBUG
    if not logger.isEnabledFor(level):
        return
    # Cut, as the name is the client's.
    fields = {"model": model_name[:100], "code": code.name, "milliseconds": round(seconds * 1e3, 3)}
    fields |= {"event": "request", "entrypoint": entrypoint, "api": api, **({"error": reason[:200]} if code else {})}
    logger.log(
        level, "%s %s of %s: %s in %.1f ms%s",
        entrypoint, api, fields["model"], code.name, seconds * 1e3, f" ({fields['error']})" if code else "",
        extra={"fields": fields},
    )  # fmt: skip


@contextlib.contextmanager
def log_to_terminal(as_json=False, requests="none"):
    """Sends the server's log, and that of the HTTP server within it, to the terminal while the context lasts.

    Args:
        as_json: bool, JSON lines instead of readable ones.
        requests: `none`, `refused` or `all`: the requests that get a line of their own.
    """
    log, web, handler = logging.getLogger("serving"), logging.getLogger("uvicorn"), logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    levels = {"none": logging.WARNING, "refused": logging.INFO, "all": logging.DEBUG}
    for one, level in ((log, logging.INFO), (web, logging.WARNING)):
        one.addHandler(handler)
        one.setLevel(level)
        one.propagate = False  # the libraries' own handlers would print the line again
    logger.setLevel(levels[requests])
    try:
        yield
    finally:
        for one in (log, web):
            one.removeHandler(handler)
            one.propagate = True
        for one in (log, web, logger):
            one.setLevel(logging.NOTSET)
