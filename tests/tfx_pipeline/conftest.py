import dataclasses

import pytest

from fer_keras.corpora.synthetic import SIZES, write_ck_plus


@pytest.fixture(scope="session")
def ck_plus(tmp_path_factory):
    """Three drawn people, seven sequences each, in CK+ layout."""
    size = dataclasses.replace(SIZES["small"], subjects=3, frames=3)
    return write_ck_plus(tmp_path_factory.mktemp("corpus") / "ck_plus", size)
