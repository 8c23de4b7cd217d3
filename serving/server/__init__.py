"""The embedded, TensorFlow Serving-compatible local server.

`server.Server` puts the parts together: `model_store` holds loaded versions, `predict` answers one request,
`grpc_service` and `rest_service` translate to and from their protocols, `errors` names what can go wrong.

Wordings and codes follow TensorFlow Serving's sources (github.com/tensorflow/serving, directory tensorflow_serving);
the file is named in the comment or docstring where a message is made.
"""
