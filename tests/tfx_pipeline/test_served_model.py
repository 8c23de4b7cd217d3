import pytest

pytestmark = pytest.mark.tfx


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("saved") / "model"
    tf.saved_model.save(tf.Module(), str(folder))
    return folder


@pytest.fixture
def served(saved_model, tmp_path):
    """Below one base path: a model, another, one that is damaged, and a folder without one."""
    import shutil

    for number in (1, 2, 3):
        shutil.copytree(saved_model, tmp_path / "fer" / str(number))
        (tmp_path / "fer" / str(number) / "name").write_text(str(number))
    (tmp_path / "fer" / "3" / "saved_model.pb").write_bytes(b"damaged")
    (tmp_path / "fer" / "4").mkdir()
    return tmp_path / "fer"


def test_what_cannot_be_read_does_not_switch_the_comparison_off(served, tmp_path, caplog):
    from tfx_pipeline.served_model import baseline_version

    candidate = tmp_path / "model"
    candidate.mkdir()
    (candidate / "name").write_text("candidate")
    assert baseline_version(served, candidate) == served / "2"
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("tfx_pipeline")]
    assert line == f"{served}: passed over 4, 3, which hold no model that can be read"


def test_a_candidate_is_not_compared_with_itself(served):
    from tfx_pipeline.served_model import baseline_version

    assert baseline_version(served, served / "2") == served / "1"
