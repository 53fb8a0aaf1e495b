"""Settings as an operator meets them: where a value comes from, and what a wrong one is told."""

import re
from pathlib import Path

import pytest

from holdfast.settings import Settings, SettingsError, describe_settings, load_settings, local_path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_config(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "holdfast.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(**sources: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**{"environ": {}, **sources})  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults_keep_everything_inside_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings(environ={})
    assert settings.data == tmp_path / "data"
    assert settings.catalog == f"sqlite://{tmp_path}/data/catalog.sqlite"
    assert settings.blobs == f"file://{tmp_path}/data/blobs"
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert (settings.upload_limit, settings.case_iq_upload_limit) == (5 * 1024**3, 50_000_000)


def test_the_file_in_the_data_folder_counts(tmp_path: Path) -> None:
    write_config(tmp_path / "kept", 'port = 9000\nupload_limit = "1 GiB"\ntrusted_proxies = ["10.0.0.0/8"]\n')
    settings = load_settings(environ={"HOLDFAST_DATA": "kept"})
    assert (settings.port, settings.upload_limit, settings.trusted_proxies) == (9000, 1024**3, ("10.0.0.0/8",))


def test_the_environment_outranks_the_file_and_the_command_line_outranks_both(tmp_path: Path) -> None:
    config = write_config(tmp_path / "etc", 'port = 1\nhost = "a"\nrecords = "open"\n')
    environ = {"HOLDFAST_PORT": "2", "HOLDFAST_HOST": "b"}
    settings = load_settings(config=config, environ=environ, overrides={"port": 3, "host": None})
    assert (settings.port, settings.host, settings.records) == (3, "b", "open")


def test_the_file_can_be_named_by_the_environment_and_the_command_line_outranks_it(tmp_path: Path) -> None:
    first = write_config(tmp_path / "first", "port = 1")
    second = write_config(tmp_path / "second", "port = 2")
    environ = {"HOLDFAST_CONFIG": str(first)}
    assert load_settings(environ=environ).port == 1
    assert load_settings(environ=environ, config=second).port == 2


def test_a_named_file_is_read_instead_of_the_one_in_the_data_folder(tmp_path: Path) -> None:
    write_config(tmp_path / "data", "port = 1\nworkers = 4")
    config = write_config(tmp_path / "etc", "port = 2")
    settings = load_settings(environ={}, config=config)
    assert (settings.port, settings.workers) == (2, 1)


def test_a_relative_data_folder_in_a_file_is_relative_to_that_file(tmp_path: Path) -> None:
    config = write_config(tmp_path / "etc", 'data = "../kept"')
    assert load_settings(environ={}, config=config).data.resolve() == tmp_path / "kept"


def test_the_file_in_the_data_folder_cannot_move_that_folder(tmp_path: Path) -> None:
    path = write_config(tmp_path / "data", 'data = "elsewhere"')
    assert refusal().startswith(f"data in {path.absolute()}: ")


def test_a_missing_file_is_refused_only_where_somebody_named_it(tmp_path: Path) -> None:
    assert load_settings(environ={}).port == 8080
    assert (
        refusal(config=tmp_path / "none.toml") == f"config: cannot read {tmp_path}/none.toml: No such file or directory"
    )


@pytest.mark.parametrize("content", ["port = ", "= 1", 'port = "\x00"'])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: str) -> None:
    path = write_config(tmp_path / "data", content)
    assert refusal().startswith(f"config: {path.absolute()} is not valid TOML")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = write_config(tmp_path / "data", "")
    path.write_bytes(b'host = "\xff"')
    assert "is not valid TOML" in refusal()


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"HOLDFAST_PROT": "1"}, "HOLDFAST_PROT: there is no such setting; the closest is HOLDFAST_PORT"),
        ({"HOLDFAST_port": "1"}, "HOLDFAST_port: there is no such setting; the closest is HOLDFAST_PORT"),
        ({"HOLDFAST_PORT": "99999"}, "HOLDFAST_PORT: expected a whole number from 0 to 65535, not '99999'"),
        ({"HOLDFAST_PORT": "80.5"}, "HOLDFAST_PORT: expected a whole number from 0 to 65535, not '80.5'"),
        ({"HOLDFAST_WORKERS": "0"}, "HOLDFAST_WORKERS: expected a whole number from 1 to 1024, not '0'"),
        ({"HOLDFAST_RECORDS": "lax"}, "HOLDFAST_RECORDS: expected strict or open, not 'lax'"),
        ({"HOLDFAST_ACCESS_LOG": "maybe"}, "HOLDFAST_ACCESS_LOG: expected true or false, not 'maybe'"),
        ({"HOLDFAST_UPLOAD_LIMIT": "5G"}, "HOLDFAST_UPLOAD_LIMIT: expected a size such as 5GiB or 50 MB, not '5G'"),
        ({"HOLDFAST_UPLOAD_LIMIT": "-1"}, "HOLDFAST_UPLOAD_LIMIT: expected a size such as 5GiB or 50 MB, not '-1'"),
        (
            {"HOLDFAST_DIALECTS": " , "},
            "HOLDFAST_DIALECTS: expected a list of names between commas, not ' , '",
        ),
        ({"HOLDFAST_CATALOG": "mysql://h/x"}, "HOLDFAST_CATALOG: expected sqlite:///path or postgresql://…"),
        (
            {"HOLDFAST_BLOBS": "file://srv/x"},
            "HOLDFAST_BLOBS: write file:/// and an absolute path, such as file:///srv/holdfast",
        ),
        (
            {"HOLDFAST_PUBLIC_URL": "files.example.com"},
            "HOLDFAST_PUBLIC_URL: expected an address such as https://files.example.com, not 'files.example.com'",
        ),
        ({"HOLDFAST_PUBLIC_URL": "http://[::1"}, "HOLDFAST_PUBLIC_URL: this is not a valid URL"),
        (
            {"HOLDFAST_TRUSTED_PROXIES": "10.0.0.1/8"},
            "HOLDFAST_TRUSTED_PROXIES: expected addresses or networks: 10.0.0.1/8 has host bits set",
        ),
    ],
)
def test_a_wrong_variable_gets_one_line_that_names_it(environ: dict[str, str], message: str) -> None:
    assert refusal(environ=environ) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prot = 1", "prot in {path}: there is no such setting; the closest is port"),
        ('port = "80"', "port in {path}: expected a whole number from 0 to 65535, not '80'"),
        ("port = true", "port in {path}: expected a whole number from 0 to 65535, not True"),
        ("upload_limit = true", "upload_limit in {path}: expected a size such as 5GiB or 50 MB, not True"),
        ('catalog = "mysql://u:secret@h/x"', "catalog in {path}: expected sqlite:///path or postgresql://…"),
        ("catalog = [1]", "catalog in {path}: expected text"),
        ("[log]\nlevel = 1", "log in {path}: there is no such setting; the closest is blobs"),
    ],
)
def test_a_wrong_key_gets_one_line_that_names_it_and_its_file(tmp_path: Path, content: str, message: str) -> None:
    path = write_config(tmp_path / "data", content)
    assert re.sub("closest is .*", "", refusal()) == re.sub("closest is .*", "", message.format(path=path.absolute()))


def test_a_wrong_option_gets_one_line_that_names_it() -> None:
    assert (
        refusal(overrides={"log_level": "loud"})
        == "--log-level: expected debug or info or warning or error, not 'loud'"
    )
    assert refusal(overrides={"prot": 1}) == "prot: there is no such setting; the closest is port"


def test_a_store_with_a_password_is_never_repeated() -> None:
    assert "secret" not in refusal(environ={"HOLDFAST_CATALOG": "mysql://u:secret@h/x"})
    assert [setting.name for setting in describe_settings() if setting.secret] == ["catalog", "blobs", "blobs_fallback"]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("17", 17),
        ("17 B", 17),
        ("5GiB", 5 * 2**30),
        ("50 MB", 50 * 10**6),
        ("1.5kib", 1536),
        (" 2 TB ", 2 * 10**12),
    ],
)
def test_sizes_take_units(text: str, size: int) -> None:
    assert load_settings(environ={"HOLDFAST_UPLOAD_LIMIT": text}).upload_limit == size


@pytest.mark.parametrize(
    ("text", "value"), [("on", True), ("1", True), ("TRUE", True), ("off", False), ("0", False), ("No", False)]
)
def test_switches_take_the_usual_words(text: str, *, value: bool) -> None:
    assert load_settings(environ={"HOLDFAST_ACCESS_LOG": text}).access_log is value


def test_an_empty_variable_counts_as_not_given() -> None:
    assert load_settings(environ={"HOLDFAST_PORT": "", "HOLDFAST_CONFIG": ""}).port == 8080


def test_variables_of_others_are_left_alone() -> None:
    assert load_settings(environ={"HOLD": "1", "PORT": "1"}) == Settings()


def test_the_process_environment_is_the_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_PORT", "4711")
    assert load_settings().port == 4711


def test_a_trailing_slash_of_the_public_url_is_dropped() -> None:
    environ = {"HOLDFAST_PUBLIC_URL": "https://files.example.com/holdfast/"}
    assert load_settings(environ=environ).public_url == "https://files.example.com/holdfast"


def test_a_data_folder_with_any_characters_survives_the_way_through_a_url(tmp_path: Path) -> None:
    data = tmp_path / "50% of Ünicode #1?"
    settings = Settings(data=data)
    assert local_path(settings.catalog) == data / "catalog.sqlite"
    assert local_path(settings.blobs) == data / "blobs"


def test_dialects_are_all_until_some_are_named() -> None:
    available = ("native", "propops", "navarik")
    assert Settings().choose_dialects(available) == available
    assert Settings(dialects=("navarik", "native")).choose_dialects(available) == ("native", "navarik")


def test_an_unknown_dialect_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"^dialects: there is no dialect 'x'; known are native, propops, all$"):
        Settings(dialects=("x",)).choose_dialects(("native", "propops"))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def test_every_setting_says_what_it_is() -> None:
    settings = describe_settings()
    assert [setting.name for setting in settings] == list(Settings.__struct_fields__)
    assert all(setting.help.endswith(".") and len(setting.help) < 120 for setting in settings)
    assert {setting.name: setting.default for setting in settings}["upload_limit"] == "5 GiB"
