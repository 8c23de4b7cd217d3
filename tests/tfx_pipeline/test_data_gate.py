import json

import pytest

from fer_keras.errors import InputError

pytestmark = pytest.mark.tfx


def statistics(subjects=2, **counts):
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = statistics_pb2.DatasetFeatureStatisticsList()
    feature = found.datasets.add().features.add()
    feature.path.step.append("label")
    for label, count in counts.items():
        feature.string_stats.rank_histogram.buckets.add(label=label, sample_count=count)
    people = found.datasets[0].features.add()
    people.path.step.append("subject")
    people.string_stats.unique = subjects
    return found


def anomalies(**found):
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    result = anomalies_pb2.Anomalies()
    for name, description in found.items():
        result.anomaly_info[name].description = description
    return result


def test_shares_are_of_all_splits_together():
    from tfx_pipeline.data_gate import summarize

    found = summarize([statistics(anger=3, fear=1), statistics(fear=4, subjects=3)])
    assert found == {"labels": {"anger": 0.375, "fear": 0.625}, "records": 8, "subjects": 5}


def test_the_greatest_drift_comes_first():
    from tfx_pipeline.data_gate import drifts

    before, now = {"anger": 0.5, "fear": 0.4, "sadness": 0.1}, {"anger": 0.3, "fear": 0.4, "surprise": 0.3}
    found = drifts(before, now, 0.1)
    assert [line.partition(":")[0] for line in found] == ["label surprise", "label anger"]
    assert found[1] == "label anger: 50.0% of the records before, 30.0% now (at most 10.0% apart)"
    assert drifts(before, now, 0.3) == []


def test_what_has_shrunk_too_much():
    from tfx_pipeline.data_gate import losses

    before, now = {"labels": {}, "subjects": 10, "records": 100}, {"labels": {}, "subjects": 4, "records": 50}
    assert losses(before, now, 0.5) == ["10 subjects before, 4 now (at most 50.0% fewer)"]
    assert losses(before, now, 1.0) == []
    assert losses({"labels": {}}, now, 0.5) == []  # of a version that did not count


def test_an_anomaly_of_several_splits_is_one_line():
    from tfx_pipeline.data_gate import faults

    found = faults({"fold-0": anomalies(label="Unexpected value"), "fold-1": anomalies(label="Unexpected value")})
    assert found == ["label: Unexpected value (fold-0, fold-1)"]


@pytest.fixture
def gate(tmp_path):
    """Runs the gate on data with counts by label and with anomalies."""
    from tfx.types import standard_artifacts

    from tfx_pipeline import data_gate

    numbers = iter(range(100))

    def run(counts, drift=0.2, subjects=2, **found):
        number = next(numbers)
        inputs = {}
        for name, kind in (
            ("statistics", standard_artifacts.ExampleStatistics),
            ("anomalies", standard_artifacts.ExampleAnomalies),
        ):
            artifact = kind()
            artifact.uri, artifact.split_names = str(tmp_path / name / str(number)), json.dumps(["fold-0"])
            inputs[name] = [artifact]
            (tmp_path / name / str(number) / "Split-fold-0").mkdir(parents=True)
        folders = {name: tmp_path / name / str(number) / "Split-fold-0" for name in inputs}
        (folders["statistics"] / "FeatureStats.pb").write_bytes(statistics(subjects, **counts).SerializeToString())
        (folders["anomalies"] / "SchemaDiff.pb").write_bytes(anomalies(**found).SerializeToString())
        report = data_gate.DataReport()
        report.uri = str(tmp_path / "DataGate" / "report" / str(number))
        (tmp_path / "DataGate" / "report" / str(number)).mkdir(parents=True)
        executor = data_gate.Executor()
        executor.Do(inputs, {"report": [report]}, {"label_drift": drift, "shrinkage": 0.5})
        return (tmp_path / "DataGate" / "report" / str(number) / "report.txt").read_text()

    return run


def test_data_passes_and_its_labels_are_kept(gate, tmp_path):
    assert "anger: 50.0% of the records" in gate({"anger": 4, "fear": 4})
    accepted = json.loads((tmp_path / "DataGate" / "accepted.json").read_text())
    assert accepted == {"labels": {"anger": 0.5, "fear": 0.5}, "records": 8, "subjects": 2}


def test_an_anomaly_stops_the_run(gate, tmp_path):
    with pytest.raises(InputError, match=r"the data gate stops the run: label: Unexpected value \(fold-0\)"):
        gate({"anger": 4}, label="Unexpected value")
    assert "label: Unexpected value" in (tmp_path / "DataGate" / "refused.txt").read_text()
    assert not (tmp_path / "DataGate" / "accepted.json").exists()


def test_drift_against_the_last_run_that_passed(gate):
    gate({"anger": 4, "fear": 4})
    gate({"anger": 5, "fear": 4})
    with pytest.raises(
        InputError, match=r"label anger: 55\.6% of the records before, 90\.0% now.*if the change is meant"
    ):
        gate({"anger": 9, "fear": 1})
    gate({"anger": 9, "fear": 1}, drift=1.0)


def test_lost_subjects_against_the_last_run_that_passed(gate):
    gate({"anger": 4, "fear": 4}, subjects=5)
    with pytest.raises(InputError, match=r"5 subjects before, 2 now .*if the change is meant, remove .*accepted\.json"):
        gate({"anger": 4, "fear": 4}, subjects=2)
    gate({"anger": 4, "fear": 4}, subjects=3)


def test_what_an_older_version_accepted_can_be_read(gate, tmp_path):
    (tmp_path / "DataGate").mkdir()
    (tmp_path / "DataGate" / "accepted.json").write_text('{"labels": {"anger": 0.5, "fear": 0.5}}')
    with pytest.raises(InputError, match="label anger"):
        gate({"anger": 9, "fear": 1})
    gate({"anger": 4, "fear": 4})


def test_a_label_that_is_gone_stops_the_run(gate):
    gate({"anger": 19, "fear": 1})
    with pytest.raises(
        InputError, match=r"label fear: 5\.0% of the records before, none now; .*if the change is meant"
    ):
        gate({"anger": 19})
    with pytest.raises(InputError, match="label fear: "):
        gate({"anger": 19, "sadness": 1}, drift=1.0)


def test_shares_beside_a_new_label_are_not_compared(gate, caplog):
    gate({"anger": 4, "fear": 4})
    gate({"anger": 1, "fear": 1, "sadness": 8})
    assert "new labels (sadness): the shares" in caplog.text


def test_data_with_a_new_label_may_not_have_lost_its_people(gate):
    gate({"anger": 4, "fear": 4}, subjects=5)
    with pytest.raises(InputError, match="5 subjects before, 2 now"):
        gate({"anger": 1, "fear": 1, "sadness": 8}, subjects=2)
