"""Tokens, users, clients and accounts, made and ended while a server runs on the same data."""

import json

import httpx
import pytest

from tests.serving import Served, attempt, run


def me(server: Served, token: str) -> httpx.Response:
    return httpx.get(f"{server.base}/v1/me", headers={"Authorization": f"Bearer {token}"})


def test_a_token_is_printed_alone_and_holds_what_it_was_given(server: Served) -> None:
    scopes = ("--scope", "record:case:7", "--scope", "path:/in box")
    options = ("--data", server.data, "--account", "acme", "--name", "Wren's scanner", "--allow", "attachments.read")
    printed = run("token", "create", *options, "--allow", "records.read", *scopes)
    token = printed.removesuffix("\n")
    assert len(token) == 64
    assert set(token) <= set("0123456789abcdef")
    known = me(server, token).json()
    assert known["name"] == "Wren's scanner"
    assert known["permissions"] == ["attachments.read", "records.read"]
    assert known["scopes"] == ["record:case:7", "path:/in box"]


def test_a_revoked_token_is_refused_from_the_next_request_on(server: Served) -> None:
    where = ("--data", server.data, "--account", "revoking")
    token = run("token", "create", *where, "--name", "short", "--allow", "*").strip()
    assert me(server, token).status_code == 200
    id = run("token", "list", "--data", server.data, "--account", "revoking").split("\t")[0]
    assert run("token", "revoke", "--data", server.data, "--account", "revoking", id) == "Revoked short\n"
    assert me(server, token).status_code == 401
    assert run("token", "list", *where) == ""
    again = attempt("token", "revoke", *where, id)
    assert (again.returncode, again.stderr) == (1, "holdfast: Token not found\n")


def test_the_list_shows_what_each_token_may_do_and_never_the_token(server: Served) -> None:
    where = ("--data", server.data, "--account", "listing")
    limits = ("--allow", "admin", "--days", "1", "--scope", "type:job")
    secrets = [run("token", "create", *where, "--name", "for ever", "--allow", "*")]
    secrets += [run("token", "create", *where, "--name", "a day", *limits)]
    listed = run("token", "list", "--data", server.data, "--account", "listing")
    rows = [line.split("\t") for line in listed.splitlines()]
    assert [row[1:4] for row in rows] == [["a day", "admin", "type:job"], ["for ever", "*", "-"]]
    assert (rows[0][4][:2], rows[1][4]) == ("20", "never")
    assert not any(secret.strip() in listed for secret in secrets)


def test_tokens_of_one_account_are_unknown_in_another(server: Served) -> None:
    run("token", "create", "--data", server.data, "--account", "mine", "--name", "n", "--allow", "*")
    run("token", "create", "--data", server.data, "--account", "yours", "--name", "n", "--allow", "*")
    id = run("token", "list", "--data", server.data, "--account", "mine").split("\t")[0]
    assert attempt("token", "revoke", "--data", server.data, "--account", "yours", id).returncode == 1


@pytest.mark.parametrize("name", ["naïve Ωmega 数", "with 'quotes' and \"more\""])
def test_names_come_back_as_they_were_given(server: Served, name: str) -> None:
    token = run("token", "create", "--data", server.data, "--account", "acme", "--name", name, "--allow", "*").strip()
    assert me(server, token).json()["name"] == name
    assert name in run("token", "list", "--data", server.data, "--account", "acme")


def test_a_user_is_made_once_in_the_whole_installation(server: Served) -> None:
    def make(account: str, email: str) -> tuple[int, str, str]:
        options = ("--data", server.data, "--account", account, "--email", email, "--name", "Ada Lovelace")
        more = ("--allow", "attachments.read", "--scope", "type:case", "--password-stdin")
        ended = attempt("user", "create", *options, *more, stdin="correct horse\n")
        return ended.returncode, ended.stdout, ended.stderr

    code, id, _ = make("acme", "ada@example.com")
    assert (code, len(id.strip())) == (0, 36)
    code, printed, said = make("yours", "ADA@example.com")
    assert (code, printed) == (1, "")
    assert said == "holdfast: The e-mail ada@example.com is already in use\n"


@pytest.mark.parametrize("password", ["", "short\n", "x" * 1025])
def test_a_password_has_a_decent_length(server: Served, password: str) -> None:
    options = ("--data", server.data, "--account", "acme", "--email", "b@example.com", "--allow", "*")
    ended = attempt("user", "create", *options, "--password-stdin", stdin=password)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "holdfast: A password has 8 to 1024 characters\n"


def test_a_password_is_not_taken_from_standard_input_unasked(server: Served) -> None:
    options = ("--data", server.data, "--account", "acme", "--email", "c@example.com", "--allow", "*")
    ended = attempt("user", "create", *options, stdin="")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


def test_a_client_gets_an_id_and_a_secret_as_json(server: Served) -> None:
    options = ("--data", server.data, "--account", "acme", "--name", "nightly job", "--allow", "attachments.write")
    made = json.loads(run("client", "create", *options, "--scope", "record:case:7"))
    assert list(made) == ["client_id", "client_secret"]
    assert len(made["client_secret"]) == 64
    again = attempt("client", "create", *options)
    assert (again.returncode, again.stderr) == (1, "holdfast: The client name nightly job is already in use\n")


def test_limits_are_set_shown_and_hold_from_the_next_request(server: Served) -> None:
    set_up = ("--quota-bytes", "2 KiB", "--quota-attachments", "9", "--max-file-bytes", "1000")
    more = ("--allowed-types", "text/plain,image/png", "--trash-days", "7")
    run("account", "set", "--data", server.data, "limited", *set_up, *more)
    shown = run("account", "show", "--data", server.data, "limited")
    rows = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert rows == {
        "account": "limited",
        "attachments": "0",
        "bytes": "0",
        "quota_bytes": "2048",
        "quota_attachments": "9",
        "max_file_bytes": "1000",
        "allowed_types": "text/plain,image/png",
        "allowed_types_on": "-",
        "trash_days": "7",
    }
    with server.client(server.token(account="limited")) as client:
        assert upload(client, "a.txt", b"words").status_code == 201
        large = upload(client, "b.txt", b"w" * 1001)
        assert (large.status_code, large.json()["limit"]) == (413, 1000)
        assert upload(client, "c.pdf", b"%PDF-1.4\n").status_code == 415
        run("account", "set", "--data", server.data, "limited", "--allowed-types", "none", "--max-file-bytes", "none")
        assert upload(client, "c.pdf", b"%PDF-1.4\n").status_code == 201
        full = upload(client, "d.bin", b"\0" * 2048)
        assert (full.status_code, full.json()["code"]) == (413, "quota_exceeded")
    assert "limited\t2\t14\n" in run("account", "list", "--data", server.data)


def test_types_can_be_limited_for_one_kind_of_record(server: Served) -> None:
    options = ("--allowed-types-on", "case=text/plain", "--allowed-types-on", "job=none")
    run("account", "set", "--data", server.data, "typed", *options)
    with server.client(server.token(account="typed")) as client:
        for record in ("case/1", "job/1"):
            assert client.put(f"/v1/records/{record}").status_code == 201
        for record, status in (("case:1", 415), ("job:1", 201)):
            params = {"name": "a.pdf", "record": record}
            assert client.post("/v1/attachments", params=params, content=b"%PDF-1.4\n").status_code == status


def upload(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    return client.post("/v1/attachments", params={"name": name, "path": "/"}, content=content)
