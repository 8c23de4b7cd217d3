import os
import shutil

import pytest

from fer_keras.errors import InputError
from tfx_pipeline.versions import find_versions, holds, remove_leftovers, roll_back


@pytest.fixture
def served(tmp_path):
    """Two models in versions 1, 2 and 10; the last two are the same."""
    for version, content in ((1, "first"), (2, "second"), (10, "second")):
        folder = tmp_path / "fer" / str(version) / "variables"
        folder.mkdir(parents=True)
        (folder / "variables.index").write_text(content)
        (folder.parent / "saved_model.pb").touch()
    (tmp_path / "fer" / "12").mkdir()  # no model, as are those below
    (tmp_path / "fer" / "12" / "README").touch()
    (tmp_path / "fer" / "²").mkdir()
    (tmp_path / "fer" / ".11.7.tmp").mkdir()  # of a push that was killed
    (tmp_path / "fer" / "README.md").touch()
    return tmp_path / "fer"


def test_versions_are_ordered_by_number(served):
    assert [version.name for version in find_versions(served)] == ["10", "2", "1"]
    assert find_versions(served / "nowhere") == []


def test_a_version_may_hold_more_than_the_model(served, tmp_path):
    model = shutil.copytree(served / "1", tmp_path / "model")
    (served / "1" / "extra").touch()
    assert holds(served / "1", model)
    assert not holds(served / "2", model)


def test_rolling_back_serves_the_model_before(served):
    earlier, version = roll_back(served)
    assert earlier.name == "1"
    assert find_versions(served)[0] == version
    assert int(version.name) > 12
    assert (version / "variables" / "variables.index").read_text() == "first"
    assert len(find_versions(served)) == 4


def test_rolling_back_to_a_version(served):
    assert roll_back(served, 1)[0].name == "1"


def test_leftovers_of_killed_pushes_are_removed(served):
    running = served / f".12.{os.getpid()}.tmp"
    ended = served / f".13.{2**22 + 1}.tmp"  # more than Linux counts to
    for aside in (running, ended, served / ".notes.tmp"):
        (aside / "variables").mkdir(parents=True)
    remove_leftovers(served)
    assert running.exists()
    assert not ended.exists()
    assert (served / ".notes.tmp").exists()


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (3, "holds no version 3; expected one of 10, 2, 1"),
        (12, "version 12 holds no saved_model.pb; expected one of 10, 2, 1"),
        (2, "version 2 is served already"),
    ],
)
def test_what_cannot_be_served_again(served, to, message):
    with pytest.raises(InputError, match=message):
        roll_back(served, to)
    assert len(find_versions(served)) == 3


def test_no_other_model(served):
    shutil.rmtree(served / "1")
    with pytest.raises(InputError, match="holds no model but the served one"):
        roll_back(served)
    with pytest.raises(InputError, match="holds no version; expected"):
        roll_back(served / "nowhere")
