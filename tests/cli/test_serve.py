"""`holdfast serve`: it starts, says where, answers, and ends."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from holdfast.cli.serving import dialect_choices
from holdfast.dialects import ALL
from holdfast.settings import Settings
from tests.serving import Served, attempt, run, served


def test_it_serves_a_folder_made_on_first_start_and_ends_when_asked(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    with served(tmp_path / "deep" / "data", "--host", "127.0.0.1") as server:
        with server.client() as client:
            kept = client.post("/v1/attachments", params={"name": "a.txt", "path": "/"}, content=b"words").json()
        assert (server.data.stat().st_mode & 0o777) == 0o700
        assert server.stop() == 0
    assert f"serving {server.data} at {server.base}" in server.log.read_text()
    assert '"path":"/v1/attachments"' in server.log.read_text(), "the last lines of the access log are written"
    with served(server.data) as again, again.client() as client:
        assert client.get(f"/v1/attachments/{kept['id']}/content").content == b"words"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_port_in_use_is_one_line(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = attempt("serve", "--data", tmp_path / "d", "--host", name, "--port", port)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"holdfast: cannot listen on {name}:{port}: Address already in use\n"
    assert not (tmp_path / "d").exists()


def test_a_second_server_does_not_share_the_port_of_the_first(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        ended = attempt("serve", "--data", tmp_path / "other", "--port", server.base.rpartition(":")[2])
    assert ended.returncode == 2


def test_two_servers_can_use_one_folder(tmp_path: Path) -> None:
    with served(tmp_path / "data") as one, served(tmp_path / "data") as other:
        token = one.token()
        with one.client(token) as client, other.client(token) as second:
            made = client.post("/v1/attachments", params={"name": "a", "path": "/"}, content=b"words").json()
            assert second.get(f"/v1/attachments/{made['id']}/content").content == b"words"


def test_workers_are_processes_and_all_of_them_end(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--workers", "2") as server:
        processes = server.processes
        assert len(processes) == 3
        with server.client() as client:
            assert {client.get("/v1/me").status_code for _ in range(20)} == {200}
        assert server.stop() == 0
        assert not any(process.is_running() for process in processes)


def test_a_single_worker_is_the_process_that_was_started(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        assert [process.pid for process in server.processes] == [server.process.pid]
        assert server.stop() == 0


def test_no_worker_outlives_a_killed_server(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--workers", "2") as server:
        workers = server.processes[1:]
        assert len(workers) == 2
        server.process.kill()
        server.process.wait()
        psutil.wait_procs(workers, timeout=60)
        assert not any(worker.is_running() for worker in workers)


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    with served(tmp_path / "data", "--workers", "2") as server:
        before = server.processes[1]
        before.send_signal(signal.SIGKILL)
        before.wait(60)
        for _ in range(600):
            if len(server.processes) == 3:
                break
            time.sleep(0.1)
        assert len(server.processes) == 3
        assert before.pid not in [process.pid for process in server.processes]
        assert answers(f"{server.base}/health/live")


def answers(url: str) -> bool:
    """Whether it answers in the end."""
    for _ in range(600):
        try:
            return httpx.get(url).status_code == 200
        except httpx.TransportError:
            time.sleep(0.1)
    return False


def test_settings_come_from_file_environment_and_options(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('log_format = "text"\nupload_limit = "1 KB"\n')
    config = str(tmp_path / "own.toml")
    with served(tmp_path / "data", "--config", config, settings={"HOLDFAST_METRICS_ACCESS": "token"}) as server:
        assert httpx.get(f"{server.base}/metrics").status_code == 401
        with server.client() as client:
            large = client.post("/v1/attachments", params={"name": "a", "path": "/"}, content=b"x" * 1001)
        assert (large.status_code, large.json()["limit"]) == (413, 1000)
    assert "INFO holdfast.serve: serving " in server.log.read_text()


# ---------------------------------------------------------------- the demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("demo") / "data", "--demo") as server:
        yield server


def test_the_demo_prints_address_token_and_three_lines_that_work(demo: Served, tmp_path: Path) -> None:
    printed = demo.log.read_text().split("\n{", 1)[0]
    assert f"at {demo.base} (reference: {demo.base}/docs)" in printed
    token = next(line for line in printed.splitlines() if line.startswith("Token: ")).removeprefix("Token: ")
    assert httpx.get(f"{demo.base}/v1/me", headers={"Authorization": f"Bearer {token}"}).json()["account"] == "demo"
    lines = [line for line in printed.splitlines() if line.startswith("curl ")]
    assert len(lines) == 3
    (tmp_path / "README.md").write_text("# Words\n")
    for line in lines:
        command = line.replace("curl ", "curl --fail-with-body ", 1)
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done)
    assert len(list(tmp_path.iterdir())) == 2, "the second line saved a file"


def test_the_demo_has_something_in_every_api(demo: Served) -> None:
    with demo.client(demo.token(account="demo")) as client:
        for type in ("contact", "property", "job", "case", "project", "certificate", "document"):
            found = client.get("/v1/attachments", params={"type": type}).json()["items"]
            assert found or type == "project", type
        assert client.get("/v1/folders").json()["items"]
        assert client.get("/v1/records/workspace").json()["items"]


def test_the_demo_is_made_once_and_its_token_anew(demo: Served, tmp_path: Path) -> None:
    before = run("account", "show", "--data", demo.data, "demo")
    first = run("token", "list", "--data", demo.data, "--account", "demo")
    log = tmp_path / "log"
    with served(demo.data, "--demo") as again:
        log = again.log
        assert run("account", "show", "--data", demo.data, "demo") == before
    assert "Token: " in log.read_text()
    second = run("token", "list", "--data", demo.data, "--account", "demo")
    assert [line.split("\t")[1] for line in second.splitlines()].count("demo") == 1
    assert first != second


def test_what_settings_say_of_an_api_is_what_it_is_made_with() -> None:
    """Each name is one that the API knows, and its default is the one that the API has by itself."""
    known = {dialect.name: dialect.choices for dialect in ALL}
    for name, chosen in dialect_choices(Settings()).items():
        assert {key: known[name].get(key) for key in chosen} == chosen, name


def test_settings_of_an_api_reach_it(tmp_path: Path) -> None:
    settings = {
        "HOLDFAST_CASE_IQ_TOKEN_ENDPOINT": "off",
        "HOLDFAST_CASE_IQ_FILES_PER_CASE": "1",
        "HOLDFAST_FOUR_HSE_TOKEN_SECONDS": "77",
        "HOLDFAST_FOUR_HSE_REFRESH_SECONDS": "78",
        "HOLDFAST_FOUR_HSE_DELETE_WITHOUT_FORCE": "unlinked",
        "HOLDFAST_NAVARIK_TOKEN_DAYS": "3",
    }
    with served(tmp_path / "data", settings=settings) as server, server.client() as client:
        assert client.post("/auth/oauth2/token", json={}).status_code == 404
        case = client.post("/api-public/1.0/case", json={}).json()["id"]
        statuses = []
        for name in ("a", "b"):
            form, files = {"caseId": case}, {"file": (name, b"x")}
            statuses.append(client.post("/api-public/1.0/save_file", data=form, files=files).status_code)
        assert statuses == [200, 400]
        project = client.post("/v2/project/create", json={"name": "p", "country": "IT"}).json()["project_id"]
        path = f"/projects/{project}/free.txt"
        assert client.post("/v1/attachments", params={"path": path}, content=b"x").status_code == 201
        assert client.delete(f"/v2/attachment/delete/{path}").status_code == 204
        made = ("--data", server.data, "--account", "acme", "--allow", "*")
        attempt("user", "create", *made, "--email", "a@b.example", "--password-stdin", stdin="a long enough password")
        form = {"grant_type": "password", "username": "a@b.example", "password": "a long enough password"}
        session = client.post("/realms/4hse/protocol/openid-connect/token", data={**form, "client_id": "x"}).json()
        assert (session["expires_in"], session["refresh_expires_in"]) == (77, 78)
        secret = json.loads(run("client", "create", *made, "--name", "nightly"))
        told = client.post("/auth/v1/service-account/token", json={"grant_type": "client_credentials", **secret})
        assert told.json()["expires_in"] == "3d"
