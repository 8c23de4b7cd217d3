import subprocess
import sys

import pytest

from fer_keras.errors import InputError
from tfx_pipeline.run_lock import check_free, one_run

HELD = """
import sys, time
from tfx_pipeline.run_lock import one_run
with one_run(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_ends_with_one_line_and_a_killed_one_blocks_nothing(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HELD, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    with other.stdout:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"run: another run is under way there \(process {other.pid}\); wait"),
            one_run(tmp_path / "run"),
        ):
            pass
        with pytest.raises(InputError, match=rf"run: another run .* .process {other.pid}\)"):
            check_free(tmp_path / "run")
        check_free(tmp_path / "elsewhere")
        assert not (tmp_path / "elsewhere").exists()
        with one_run(tmp_path / "elsewhere"):
            pass
        other.kill()
        other.wait()
    check_free(tmp_path / "run")
    with one_run(tmp_path / "run"):
        pass
