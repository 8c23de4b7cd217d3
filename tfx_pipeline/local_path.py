"""Where an artifact lies for ordinary file calls."""

import pathlib

from fer_keras.errors import InputError

# Kubeflow's launcher copies what a container reads to these folders before it starts, and what it has written there to
# the store when it has ended (kubeflow/pipelines, backend/src/v2/component/launcher_v2.go, LocalPathForURI).
_MIRRORS = {"gs": "/gcs", "minio": "/minio", "s3": "/s3"}


def local_path(uri):
    """The path of an artifact on this machine, or in this container.

    Args:
        uri: string, the artifact's address: a path, or an object store's.

    Returns:
        A `pathlib.Path`.

    Raises:
        InputError: an object store that Kubeflow's launcher does not copy from.
    """
    scheme, found, rest = str(uri).partition("://")
    if not found:
        return pathlib.Path(uri)
    if scheme not in _MIRRORS:
        raise InputError(f"{uri}: expected a path, or an address that begins with {', '.join(_MIRRORS)} and ://")
    return pathlib.Path(_MIRRORS[scheme], rest)
