"""The sockets that servers listen on."""

import errno
import socket

from fer_keras.errors import InputError


def listen(what, option, host, port):
    """Takes a port.

    Args:
        what: str, what listens, for the message.
        option: str, the option that chooses the port, for the message.
        host: str, address or name of this machine.
        port: int, 0 for any free one.

    Returns:
        A listening `socket.socket`.

    Raises:
        InputError: the port is in use or the address unknown.
    """
    listener = None
    try:
        # Resolved, because an address may be IPv4 or IPv6, or a name. The protocol is named, because asyncio switches
        # Nagle's algorithm off only where it is: answers would wait 40 ms for the client's ACK.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        # Lets a port be taken again right after its last owner ended; it does not let two listen on it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        return listener
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        advice = f"expected an address of this machine (--host) and a port that you may use ({option})"
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason = f"port {port} is in use"
            advice = f"stop what uses it, or choose another with {option} (0 for any free one)"
        raise InputError(f"cannot listen on {host}:{port} for {what}: {reason}; {advice}") from error
