"""Clients for the server in this package, and for TensorFlow Serving itself."""

from serving.client.async_client import AsyncClient
from serving.client.client import Client
from serving.client.errors import RequestError
from serving.client.retries import Retries

__all__ = ["AsyncClient", "Client", "RequestError", "Retries"]
