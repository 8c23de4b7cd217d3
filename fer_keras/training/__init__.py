"""Training: what the command line, the pipeline and the tuner call."""
