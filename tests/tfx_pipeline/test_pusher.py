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
