import pathlib

import pytest

from fer_keras.errors import InputError
from tfx_pipeline.local_path import local_path


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/work/runs/model/1", "/work/runs/model/1"),
        ("gs://bucket/fer/model/1", "/gcs/bucket/fer/model/1"),
        ("minio://mlpipeline/v2/artifacts/1", "/minio/mlpipeline/v2/artifacts/1"),
    ],
)
def test_where_artifacts_lie(uri, path):
    assert local_path(uri) == pathlib.Path(path)


def test_another_store():
    with pytest.raises(InputError, match=r"hdfs://host/fer: expected a path"):
        local_path("hdfs://host/fer")
