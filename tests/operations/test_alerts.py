"""The alerts of docs/alerts.yml: Prometheus takes them, they fire when they should, and the real
services have every metric that they ask for."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from shared.clients import indexer
from tests.e2e.engine import REPOSITORY, Engine
from tests.indexer.running import until

ALERTS = REPOSITORY / "docs" / "alerts.yml"
DASHBOARD = REPOSITORY / "docs" / "dashboard.json"
SERVICES = ("query", "indexer", "embedder")


def promtool(*arguments: str | Path) -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs promtool: `apt-get install prometheus`")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expressions() -> dict[str, str]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def asked_for() -> set[str]:
    """The names of metrics in the alerts, without `up`, which is Prometheus's own."""
    return {
        name
        for expression in expressions().values()
        for name in re.findall(r"\b(?:ise|process)_\w+", expression)
    }


def shown() -> set[str]:
    """The names of metrics in the dashboard."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    return {name for one in expressions for name in re.findall(r"\b(?:ise|process)_\w+", one)}


def scraped(engine: Engine) -> dict[str, set[str]]:
    """The names of the samples of each service."""
    found = {}
    for service in SERVICES:
        text = httpx.get(f"{engine.group.url(service)}/metrics", trust_env=False).text
        families = text_string_to_metric_families(text)
        found[service] = {sample.name for family in families for sample in family.samples}
    return found


def test_prometheus_takes_the_alerts() -> None:
    assert f"{len(expressions())} rules found" in promtool("check", "rules", ALERTS)


@pytest.mark.slow
def test_each_alert_fires_where_it_should_and_not_where_all_is_well() -> None:
    tests = Path(__file__).with_name("alerts_test.yml")
    promtool("test", "rules", tests)
    assert all(alert in tests.read_text() for alert in expressions())


@pytest.mark.slow
def test_the_services_have_every_metric_that_an_alert_asks_for(engine: Engine) -> None:
    found = scraped(engine)
    assert len(asked_for()) > 25
    assert asked_for() - set.union(*found.values()) == set()


@pytest.mark.slow
def test_the_services_have_every_metric_that_the_dashboard_shows(engine: Engine) -> None:
    assert len(shown()) > 20
    assert shown() - set.union(*scraped(engine).values()) == set()


def test_each_panel_of_the_dashboard_asks_prometheus_something_it_can_read(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    rules = [
        {"record": f"panel_{panel['id']}_{target['refId']}", "expr": target["expr"]}
        for panel in panels
        for target in panel["targets"]
    ]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)


@pytest.mark.slow
def test_metrics_follow_the_conventions_and_have_few_series(engine: Engine) -> None:
    for service in SERVICES:
        text = httpx.get(f"{engine.group.url(service)}/metrics", trust_env=False).text
        families = list(text_string_to_metric_families(text))
        for family in families:
            assert family.documentation, family.name
            samples = {sample.name for sample in family.samples}
            assert family.type != "counter" or all(
                name.endswith(("_total", "_created")) for name in samples
            ), samples
        assert sum(len(family.samples) for family in families) < 1500


def _values(engine: Engine) -> dict[tuple[str, ...], float]:
    """All figures, by service, name and labels."""
    values = {}
    for service in SERVICES:
        text = httpx.get(f"{engine.group.url(service)}/metrics", trust_env=False).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = {k: v for k, v in sample.labels.items() if k != "service"}
                values[(service, sample.name, *labels.values())] = sample.value
    return values


@pytest.mark.slow
def test_figures_are_those_of_the_collection(engine: Engine) -> None:
    # One that took two seconds to answer counts as down, for a moment.
    values = until(lambda: (told := _values(engine))["query", "ise_peer_up", "embedder"] and told)
    stats = engine.indexer.send(indexer.get_stats())
    assert values["indexer", "ise_catalog_images"] == stats.images
    assert values["indexer", "ise_snapshot_number"] == stats.snapshot
    assert values["query", "ise_served_snapshot_number"] == stats.snapshot
    assert values["query", "ise_served_images"] == stats.images
    assert values["indexer", "ise_images_waiting"] == 0
    assert values["indexer", "ise_jobs_ended_total", "ingest", "succeeded"] >= 1
    assert values["indexer", "ise_jobs_ended_total", "ingest", "failed"] == 0
    assert values["indexer", "ise_job_last_success_timestamp_seconds", "ingest"] > 1e9
    assert values["indexer", "ise_last_backup_timestamp_seconds"] == 0
    assert 0 < values["indexer", "ise_data_free_bytes"] < values["indexer", "ise_data_size_bytes"]
    assert values["query", "ise_peer_up", "embedder"] == values["query", "ise_peer_up", "indexer"]
    assert values["query", "ise_peer_up", "embedder"] == 1
    for service in SERVICES:
        assert values[service, "ise_ready"] == 1
        assert values[service, "ise_problems_total", "fingerprint-mismatch"] == 0
