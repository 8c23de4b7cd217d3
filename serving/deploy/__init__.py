"""Files to run TensorFlow Serving on servers with GPUs: written by `generate`, checked in beside it.

None of them has been run here, where there is neither Docker nor a cluster nor a GPU; they are validated against the
schemas of Compose, Kubernetes and KServe.
"""
