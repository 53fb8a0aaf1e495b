"""The alert rules speak of what a real server shows, and the page explains each of them."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from holdfast.core.upkeep.front import COLLECT, VERIFY
from tests.house.source import PROJECT
from tests.serving import served

FOLDER = PROJECT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
OPERATING = (PROJECT / "docs" / "operating.md").read_text(encoding="utf-8")
OWN = frozenset({"up"})
"""What Prometheus itself knows of each scrape."""


@dataclass(frozen=True)
class Shown:
    """The names of samples, and the values of their labels by name."""

    names: frozenset[str]
    labels: dict[str, frozenset[str]]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    with served(tmp_path_factory.mktemp("server") / "data") as server, server.client() as client:
        made = client.post("/v1/attachments", params={"path": "/a"}, content=b"a").json()
        assert client.get(f"/v1/attachments/{made['id']}").status_code == 200
        names: set[str] = set()
        labels: dict[str, set[str]] = {"kind": set()}
        for family in text_string_to_metric_families(httpx.get(f"{server.base}/metrics").text):
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
            names |= {family.name + ending for ending in endings}
            for sample in family.samples:
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
    return Shown(frozenset(names), {label: frozenset(values) for label, values in labels.items()})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_speaks_of_what_a_server_shows(shown: Shown, rule: dict[str, Any]) -> None:
    expression = rule["expr"]
    bare = re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "", expression)
    named = set(re.findall(r"\b(holdfast_\w+|up)\b", bare))
    assert named
    assert named <= shown.names | OWN
    labels = dict(re.findall(r'(\w+)\s*(?:=|!=|=~|!~)\s*"([^"]*)"', expression))
    for label, value in labels.items():
        if label not in {"job", "status"}:
            assert value in shown.labels[label]
    grouped = {name for group in re.findall(r"by \(([\w, ]+)\)", expression) for name in group.split(", ")}
    assert grouped <= {*shown.labels, "instance", "le"}
    in_text = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert in_text <= {*grouped, "instance"}


def test_rules_have_what_an_alert_needs() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) > 8
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert re.fullmatch(r"\d+[mhd]", rule.get("for", "1m"))


def test_the_page_explains_each_alert_and_no_other() -> None:
    assert set(re.findall(r"`(Holdfast[A-Z]\w+)`", OPERATING)) == {rule["alert"] for rule in RULES}


def test_the_duties_are_those_that_metrics_name(shown: Shown) -> None:
    assert shown.labels["duty"] == {COLLECT, VERIFY}


def test_the_scrape_finds_the_rules_and_the_server() -> None:
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    assert [(FOLDER / name).exists() for name in told["rule_files"]] == [True]
    (job,) = told["scrape_configs"]
    assert job["job_name"] == "holdfast"
    assert all(f'job="{job["job_name"]}"' in rule["expr"] for rule in RULES if "job=" in rule["expr"])
