import pytest

from fer_keras.errors import InputError
from tfx_pipeline.spans import newest_span


@pytest.fixture
def data(tmp_path):
    for folder in ("ck-9/v1", "ck-10/v2", "ck-10/v10", "ck-11-broken/v1", "mmi-99/v1"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ck-12").touch()
    return tmp_path


def test_the_greatest_number_is_the_newest(data):
    assert newest_span(data / "ck-{SPAN}") == data / "ck-10"
    assert newest_span(data / "ck-{SPAN}" / "v{VERSION}") == data / "ck-10" / "v10"
    assert newest_span(data / "ck-{SPAN}" / "v1") == data / "ck-9" / "v1"


def test_a_path_is_itself(data):
    assert newest_span("no/such") == type(data)("no/such")


def test_no_folder_fits(data):
    with pytest.raises(InputError, match="no folder fits"):
        newest_span(data / "jaffe-{SPAN}")
