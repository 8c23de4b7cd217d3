"""Names of the files that Tuner and BestTrial write, as TFX's own Tuner does. They are read without KerasTuner."""

BEST_FILE, TRIALS_FILE = "best_hyperparameters.txt", "tuner_results.json"
