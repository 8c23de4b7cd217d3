"""Where the runs' metadata is kept: a file, or a database by its URL."""

import os
import pathlib
import urllib.parse

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.metadata import sqlite_metadata_connection_config

from fer_keras.errors import InputError

PASSWORD = "FER_METADATA_PASSWORD"
"""Environment variable with the database's password, where the URL holds none."""

_PORTS = {"mysql": 3306, "postgresql": 5432}


def connection_config(where):
    """The connection of a metadata store.

    Args:
        where: the path of an SQLite file, which is made if it is missing; or a URL, `mysql://user@host:3306/name` or
            `postgresql://user@host:5432/name`. Without a password in it, that of `FER_METADATA_PASSWORD` is taken.

    Returns:
        ML Metadata's `ConnectionConfig`.

    Raises:
        InputError: the URL is of another kind, or a part of it is missing.
    """
    if "://" not in where:
        pathlib.Path(where).parent.mkdir(parents=True, exist_ok=True)
        return sqlite_metadata_connection_config(where)
    url = urllib.parse.urlsplit(where)
    shown = where.replace(f":{url.password}@", ":***@") if url.password else where
    if url.scheme not in _PORTS:
        raise InputError(f"metadata {shown}: expected the path of a file, mysql://... or postgresql://...")
    try:
        port = url.port or _PORTS[url.scheme]
    except ValueError as error:
        raise InputError(f"metadata {shown}: the port must be a number from 0 to 65535") from error
    name = url.path.strip("/")
    if not (url.hostname and url.username and name):
        raise InputError(f"metadata {shown}: expected {url.scheme}://user@host:{_PORTS[url.scheme]}/database")
    password = urllib.parse.unquote(url.password) if url.password else os.environ.get(PASSWORD, "")
    user, found = urllib.parse.unquote(url.username), metadata_store_pb2.ConnectionConfig()
    if url.scheme == "mysql":
        database = metadata_store_pb2.MySQLDatabaseConfig(
            host=url.hostname, port=port, database=name, user=user, password=password
        )
        found.mysql.CopyFrom(database)
    else:
        database = metadata_store_pb2.PostgreSQLDatabaseConfig(
            host=url.hostname, port=str(port), dbname=name, user=user, password=password
        )
        found.postgresql.CopyFrom(database)
    return found
