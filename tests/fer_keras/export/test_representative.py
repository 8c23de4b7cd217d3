import numpy as np
import pytest

from fer_keras.corpora.corpus import Sample
from fer_keras.corpora.records import make_record, write_records
from fer_keras.errors import InputError
from fer_keras.export import representative_faces
from fer_keras.faces.image import encode_png


@pytest.fixture
def records(tmp_path):
    """Faces of grey level 0 to 8, the odd ones happy, in two shards."""
    directory = tmp_path / "run" / "records"
    directory.mkdir(parents=True)
    for shard, levels in enumerate((range(5), range(5, 9))):
        rows = [
            make_record(
                encode_png(np.full((48, 48), level, "uint8")),
                Sample("folder", "s", str(level), None, label="happiness" if level % 2 else "fear"),
            )
            for level in levels
        ]
        write_records(str(directory / f"faces-{shard:05d}-of-00002.tfrecord.gz"), rows)
    return directory


def levels(faces):
    return faces[:, 0, 0, 0].tolist()


def test_faces_are_spread_over_the_labelled_records(small_model, records):
    found = representative_faces(small_model, records)
    assert (found.dtype, found.shape) == (np.uint8, (4, 48, 48, 1))
    assert levels(found) == [1, 3, 5, 7]  # the model does not know fear
    assert levels(representative_faces(small_model, records, count=2)) == [1, 7]


def test_a_run_has_its_own(small_model, records):
    assert levels(representative_faces(small_model, records.parent)) == [1, 3, 5, 7]


def test_no_records(small_model, tmp_path):
    with pytest.raises(InputError, match="no face records found"):
        representative_faces(small_model, tmp_path)
