"""DataGate: stops a run whose data is not what it should be. TFX's ExampleValidator reports, and stops nothing."""

import json
import logging

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.types.artifact import Artifact

from fer_keras.errors import InputError
from fer_keras.json_file import write_json
from tfx_pipeline.local_path import local_path

_log = logging.getLogger(__name__)

_STATISTICS_FILE, _ANOMALIES_FILE = "FeatureStats.pb", "SchemaDiff.pb"  # as TFX names them
REPORT_FILE, REFUSED_FILE, ACCEPTED_FILE = "report.txt", "refused.txt", "accepted.json"


class DataReport(Artifact):
    """What the gate found, in `report.txt`."""

    TYPE_NAME = "fer.DataReport"  # Kubeflow wants a namespace


def summarize(statistics):
    """What of the data is compared with that of other runs.

    Args:
        statistics: list of TFDV's statistics, one a split, which share no subject.

    Returns:
        A dict: `labels`, a dict of label to its share among all records; the numbers of `records` and `subjects`.
    """
    counts, subjects = {}, 0
    for one in statistics:
        for feature in one.datasets[0].features:
            if feature.path.step[:] == ["label"]:
                for bucket in feature.string_stats.rank_histogram.buckets:
                    counts[bucket.label] = counts.get(bucket.label, 0) + bucket.sample_count
            elif feature.path.step[:] == ["subject"]:
                subjects += feature.string_stats.unique
    total = sum(counts.values())
    shares = {label: count / total for label, count in sorted(counts.items())}
    return {"labels": shares, "records": int(total), "subjects": subjects}


def drifts(before, now, most):
    """Finds labels whose share has changed too much.

    Args:
        before: dict of label to share.
        now: the same of the new data.
        most: float in [0, 1], the greatest difference that passes.

    Returns:
        A list of sentences, the greatest drift first.
    """
    changes = {label: now.get(label, 0.0) - before.get(label, 0.0) for label in {*before, *now}}
    return [
        f"label {label}: {before.get(label, 0.0):.1%} of the records before, {now.get(label, 0.0):.1%} now "
        f"(at most {most:.1%} apart)"
        for label, change in sorted(changes.items(), key=lambda item: (-abs(item[1]), item[0]))
        if abs(change) > most
    ]


def losses(before, now, most):
    """Finds what has shrunk too much.

    Args:
        before: dict as `summarize` makes it; what an older one lacks is not compared.
        now: the same of the new data.
        most: float in [0, 1], the greatest share of the former that may be gone.

    Returns:
        A list of sentences.
    """
    return [
        f"{before[name]} {name} before, {now[name]} now (at most {most:.1%} fewer)"
        for name in ("subjects", "records")
        if name in before and now[name] < before[name] * (1 - most)
    ]


def faults(anomalies):
    """Puts anomalies into words.

    Args:
        anomalies: dict of split to TFDV's anomalies.

    Returns:
        A list of sentences; an anomaly of several splits is one.
    """
    splits = {}
    for split, found in anomalies.items():
        about = [(name or "/".join(info.path.step), info.description) for name, info in found.anomaly_info.items()]
        if found.HasField("dataset_anomaly_info"):
            about.append(("the records", found.dataset_anomaly_info.description))
        for name, description in about:
            splits.setdefault(f"{name}: {description}", []).append(split)
    return [f"{fault} ({', '.join(names)})" for fault, names in splits.items()]


class Executor(base_executor.BaseExecutor):
    """Reads what ExampleValidator and StatisticsGen wrote."""

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802
        """Lets the data pass, or raises `InputError`; see `DataGate`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        report = local_path(artifact_utils.get_single_uri(output_dict["report"]))
        keep = report.parents[1]  # of the component, not of the execution, whose folder a refusal takes along
        statistics = [
            statistics_pb2.DatasetFeatureStatisticsList.FromString((path / _STATISTICS_FILE).read_bytes())
            for path in _splits(input_dict["statistics"])
        ]
        anomalies = {
            path.name.removeprefix("Split-"): anomalies_pb2.Anomalies.FromString((path / _ANOMALIES_FILE).read_bytes())
            for path in _splits(input_dict["anomalies"])
        }
        now, accepted = summarize(statistics), keep / ACCEPTED_FILE
        changed = _changes(json.loads(accepted.read_text()), now, exec_properties) if accepted.exists() else []
        found = [*faults(anomalies), *changed]
        lines = [f"{name}: {now[name]}" for name in ("subjects", "records")]
        lines += [f"{label}: {share:.1%} of the records" for label, share in now["labels"].items()]
        if found:
            (keep / REFUSED_FILE).write_text("\n".join(["The data was refused:", *found, "", *lines]) + "\n")
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise InputError(
                f"the data gate stops the run: {found[0]}{more}; all of it is in {keep / REFUSED_FILE}; "
                + (
                    f"if the change is meant, remove {accepted}, and the data is compared with nothing"
                    if changed
                    else "to let such data pass, change data_gate.schema in the configuration"
                )
            )
        (report / REPORT_FILE).write_text("\n".join(["The data passed.", "", *lines]) + "\n")
        write_json(accepted, now)
        _log.info("the data passed: %d labels, no anomaly", len(now["labels"]))


def _changes(before, now, exec_properties):
    lost, new = (sorted(set(one["labels"]) - set(other["labels"])) for one, other in ((before, now), (now, before)))
    if lost:  # the shares of the others have changed for this alone
        return [f"label {label}: {before['labels'][label]:.1%} of the records before, none now" for label in lost]
    found = losses(before, now, exec_properties["shrinkage"])
    if new:
        _log.warning("new labels (%s): the shares of labels are not compared with the last run's", ", ".join(new))
        return found
    return found + drifts(before["labels"], now["labels"], exec_properties["label_drift"])


def _splits(artifacts):
    artifact = artifact_utils.get_single_instance(artifacts)
    names = artifact_utils.decode_split_names(artifact.split_names)
    return [local_path(artifact_utils.get_split_uris(artifacts, name)[0]) for name in names]


class DataGateSpec(component_spec.ComponentSpec):
    """Inputs and outputs of `DataGate`."""

    PARAMETERS = {  # noqa: RUF012
        "label_drift": component_spec.ExecutionParameter(type=float),
        "shrinkage": component_spec.ExecutionParameter(type=float),
    }
    INPUTS = {  # noqa: RUF012
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    OUTPUTS = {"report": component_spec.ChannelParameter(type=DataReport)}  # noqa: RUF012


class DataGate(base_component.BaseComponent):
    """Stops the run at any anomaly, and where labels have drifted or labels or data are gone since the last run.

    The last run is the last whose data passed. The component's folder keeps `accepted.json`, the figures of that run,
    and after a refusal `refused.txt`.

    Args:
        statistics: channel of StatisticsGen.
        anomalies: channel of ExampleValidator.
        label_drift: see `tfx_pipeline.config.DataGate`.
        shrinkage: see there.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, statistics, anomalies, label_drift, shrinkage):
        spec = DataGateSpec(
            label_drift=float(label_drift),
            shrinkage=float(shrinkage),
            statistics=statistics,
            anomalies=anomalies,
            report=channel.Channel(type=DataReport),
        )
        super().__init__(spec=spec)
