import pytest

from fer_keras.errors import InputError

pytestmark = pytest.mark.tfx


def test_a_path_is_an_sqlite_file(tmp_path):
    from tfx_pipeline.metadata_store import connection_config

    config = connection_config(str(tmp_path / "new" / "metadata.sqlite"))
    assert config.sqlite.filename_uri.endswith("metadata.sqlite")
    assert (tmp_path / "new").is_dir()


def test_databases_by_url(monkeypatch):
    from tfx_pipeline.metadata_store import connection_config

    monkeypatch.setenv("FER_METADATA_PASSWORD", "secret")
    mysql = connection_config("mysql://fer@db.local/runs").mysql
    assert (mysql.host, mysql.port, mysql.database, mysql.user) == ("db.local", 3306, "runs", "fer")
    assert mysql.password == "secret"
    postgresql = connection_config("postgresql://fer:p%40ss@10.0.0.1:5433/runs").postgresql
    assert (postgresql.host, postgresql.port, postgresql.dbname) == ("10.0.0.1", "5433", "runs")
    assert postgresql.password == "p@ss"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle://fer@db/runs", "expected the path of a file, mysql"),
        ("mysql://db/runs", "expected mysql://user@host:3306/database"),
        ("mysql://fer@db", "expected mysql://user@host:3306/database"),
        ("postgresql://fer@db:port/runs", "the port must be a number"),
    ],
)
def test_what_is_no_database(url, message):
    from tfx_pipeline.metadata_store import connection_config

    with pytest.raises(InputError, match=message):
        connection_config(url)


def test_a_password_is_not_shown():
    from tfx_pipeline.metadata_store import connection_config

    with pytest.raises(InputError) as error:
        connection_config("oracle://fer:hidden@db/runs")
    assert "hidden" not in str(error.value)
