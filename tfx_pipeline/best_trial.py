"""BestTrial: what the Tuners found that shared a search between them."""

import json
import logging
import shutil

from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts

from fer_keras.json_file import write_json
from fer_keras.training.search import OBJECTIVES
from tfx_pipeline.local_path import local_path
from tfx_pipeline.tuner_files import BEST_FILE, TRIALS_FILE

_log = logging.getLogger(__name__)


def merge_trials(tables, objective):
    """Puts the tables of several searches together.

    All trials were judged on the same held-out subjects, with the same seed of the training: their figures compare.

    Args:
        tables: list of tables of trials, as `fer_keras.training.search.search` gives them, the best trial first.
        objective: one of `fer_keras.training.search.OBJECTIVES`.

    Returns:
        A pair: the number of the table that holds the best trial (of equal ones the first), and one table of all, the
        best first, with `tuner`, the number of the table, in every row; those without a figure last.
    """
    sign = {"min": 1, "max": -1}[OBJECTIVES[objective]]

    def rank(row):
        figure = row[objective] if row["status"] == "COMPLETED" else None
        return (figure is None, 0.0 if figure is None else sign * figure)

    rows = [{"tuner": number, **row} for number, table in enumerate(tables) for row in table]
    rows.sort(key=rank)  # stable
    return rows[0]["tuner"], rows


class Executor(base_executor.BaseExecutor):
    """Reads what the Tuners left."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Writes the best hyperparameters and the table of all trials; see `BestTrial`."""
        self._log_startup(input_dict, output_dict, exec_properties)

        def folder(artifacts):
            return local_path(artifact_utils.get_single_uri(artifacts))

        count = sum(name.startswith("tuner_results_") for name in input_dict)
        tables = [
            json.loads((folder(input_dict[f"tuner_results_{number}"]) / TRIALS_FILE).read_text())
            for number in range(count)
        ]
        best, rows = merge_trials(tables, exec_properties["objective"])
        shutil.copyfile(
            folder(input_dict[f"best_hyperparameters_{best}"]) / BEST_FILE,
            folder(output_dict["best_hyperparameters"]) / BEST_FILE,
        )
        write_json(folder(output_dict["tuner_results"]) / TRIALS_FILE, rows)
        figure = f"{exec_properties['objective']} {rows[0][exec_properties['objective']]:.3f}"
        _log.info("best of %d trials: trial %d of Tuner %d, %s", len(rows), rows[0]["trial"], best, figure)


class BestTrialSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `BestTrial`, without those of the Tuners; see `_spec`."""

    PARAMETERS = {"objective": component_spec.ExecutionParameter(type=str)}  # noqa: RUF012
    INPUTS = {}  # noqa: RUF012
    OUTPUTS = {  # noqa: RUF012
        "best_hyperparameters": component_spec.ChannelParameter(type=standard_artifacts.HyperParameters),
        "tuner_results": component_spec.ChannelParameter(type=standard_artifacts.TunerResults),
    }


def _spec(count):
    """The specification with a pair of inputs for every Tuner: Kubeflow takes one artifact an input."""
    inputs = {
        f"{name}_{number}": parameter for number in range(count) for name, parameter in BestTrialSpec.OUTPUTS.items()
    }
    return type("BestTrialOfTunersSpec", (BestTrialSpec,), {"INPUTS": inputs})


class BestTrial(base_component.BaseComponent):
    """Takes the best of what several Tuners found; its outputs are those of one Tuner.

    Args:
        tuners: list of `tfx_pipeline.tuner.Tuner`.
        objective: one of `fer_keras.training.search.OBJECTIVES`.
    """

    SPEC_CLASS = BestTrialSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, tuners, objective):
        found = {
            f"{name}_{number}": tuner.outputs[name]
            for number, tuner in enumerate(tuners)
            for name in BestTrialSpec.OUTPUTS
        }
        outputs = {name: channel.Channel(type=parameter.type) for name, parameter in BestTrialSpec.OUTPUTS.items()}
        super().__init__(spec=_spec(len(tuners))(objective=objective, **found, **outputs))
