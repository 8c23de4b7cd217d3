"""Serving: a local server that speaks TensorFlow Serving's interface, and a client for either.

Importing this package imports neither TensorFlow nor gRPC; `serving.server.server`, `serving.client` do.
"""
