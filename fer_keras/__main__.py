"""`python -m fer_keras`: the command line."""

from fer_keras.cli import main

main()
