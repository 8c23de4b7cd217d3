import json

from fer_keras.training.epoch_log import EpochLog


def test_repeated_and_cut_off_epochs(tmp_path):
    log = EpochLog(tmp_path / "fold" / "epochs.jsonl")
    assert log.read() == []
    for epoch, loss in enumerate((3.0, 2.0, 9.0)):
        log.on_epoch_end(epoch, {"loss": loss})
    with open(log.file, "a") as file:
        file.write('{"epoch": 4, "lo')  # killed while writing
    assert len(log.read()) == 3
    again = EpochLog(log.file)
    again.on_epoch_end(2, {"loss": 1.0})  # the training went on from the checkpoint after epoch 2
    again.on_epoch_end(3, {"loss": 0.5})
    assert [(row["epoch"], row["loss"]) for row in again.read()] == [(1, 3.0), (2, 2.0), (3, 1.0), (4, 0.5)]
    *lines, end = log.file.read_text().split("\n")
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4]
    assert end == ""
    assert list(log.file.parent.iterdir()) == [log.file]
