import shutil

import pytest

pytestmark = pytest.mark.tfx


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "Format-Serving"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


def test_a_version_has_all_files_and_a_later_one_a_higher_number(model, tmp_path):
    from tfx_pipeline.pusher import push

    first = push(model, tmp_path / "fer")
    assert (first / "variables" / "variables.index").read_bytes() == b"index"
    (model / "saved_model.pb").write_bytes(b"other")
    assert int(push(model, tmp_path / "fer").name) > int(first.name)


def test_the_model_that_is_the_newest_version_is_not_pushed_again(model, tmp_path):
    from tfx_pipeline.pusher import push

    assert push(model, tmp_path / "fer") == push(model, tmp_path / "fer")
    assert len(list((tmp_path / "fer").iterdir())) == 1


def test_a_model_that_was_rolled_back_is_not_pushed_again(model, tmp_path, caplog):
    from tfx_pipeline.pusher import push
    from tfx_pipeline.versions import roll_back

    first = push(model, tmp_path / "fer")
    (model / "saved_model.pb").write_bytes(b"worse")
    second = push(model, tmp_path / "fer")
    roll_back(tmp_path / "fer")
    assert push(model, tmp_path / "fer") == second
    assert f"rollback --to {second.name}" in caplog.text
    assert len(list((tmp_path / "fer").iterdir())) == 3
    assert (first / "saved_model.pb").read_bytes() == b"graph"


def test_what_a_release_was_blessed_on_goes_with_it(model, tmp_path):
    from tfx_pipeline.pusher import push

    (tmp_path / "figures.json").write_text("{}")
    version = push(model, tmp_path / "fer", tmp_path / "figures.json")
    assert (version / "assets.extra" / "figures.json").read_text() == "{}"
    assert push(model, tmp_path / "fer") == version


def test_a_push_that_fails_leaves_no_version(model, tmp_path, monkeypatch):
    from tfx_pipeline.pusher import push

    def copy_a_part(source, target):
        target.mkdir()
        shutil.copy(source / "saved_model.pb", target)
        raise OSError("disk full")

    monkeypatch.setattr(shutil, "copytree", copy_a_part)
    with pytest.raises(OSError, match="disk full"):
        push(model, tmp_path / "fer")
    assert list((tmp_path / "fer").iterdir()) == []
