"""On call for forty hosts: an outage of thirty is one incident and one message, another host's disk another, planned work none."""

import json

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from tests.services.days.hosts import HOSTS, SLOW, WEB, WORK, WORKED_ON, moment, morning
from tests.services.pager import Pager
from tests.services.proof_stage import (
    Plant,
    Producing,
    accounted,
    rows_of,
    say,
    value_of,
    wait_for_address,
    wait_until,
)
from tests.services.skab import Message

pytestmark = pytest.mark.long

MINUTES = 240
MONITOR = """
name: hosts
source: {kafka: {topic: %s}}
record:
  time: at
  entity: host
  features: {cpu_user: numeric, cpu_iowait: numeric, mem_used: numeric, disk_used: numeric, disk_io_time: numeric,
             net_recv: {type: numeric, unit: B/s}, net_sent: {type: numeric, unit: B/s}, connections: numeric,
             p99: {type: numeric, unit: ms}}
model: {effort: light}
alert: {false_alarms_per_day: 2, notify: [pager]}
"""


@pytest.mark.timeout(1800)
def test_an_outage_of_thirty_hosts_is_one_thing(plant: Plant, database: Engine, pager: Pager, page: Page) -> None:
    """One incident, one message, one label; the planned work tells nobody, and is listed."""
    plant.monitor = "hosts"
    plant.monitor_file.write_text(MONITOR % plant.topic)
    morning(0, 600).to_csv(plant.folder / "history.csv", index=False)
    plant.run("train", str(plant.monitor_file), "--history", "history.csv")
    work = ("--from", moment(1, WORK[0] - 2), "--to", moment(1, WORK[1] + 15))
    plant.run("silences", "add", "--monitor", "hosts", "--entity", "web-0[5-9]", *work, "--reason", "new switch")
    plant.start("score", str(plant.monitor_file))
    plant.start("notify")
    stream = [
        Message(str(row["host"]).encode(), json.dumps(row).encode())
        for row in morning(1, MINUTES, faults=True).to_dict("records")
    ]
    with Producing(plant, stream, per_second=20_000):
        wait_until(lambda: accounted(database) == len(stream), "every record to be scored", database)

    members = rows_of(
        database,
        "SELECT m.incident, a.entity, a.started, a.ended, a.status, a.features FROM incident_members m"
        " JOIN alerts a ON a.id = m.alert_id ORDER BY a.started",
    )
    told = [each for each in members if each.status == "open"]
    of_incident: dict[int, set[str]] = {}
    for each in told:
        of_incident.setdefault(each.incident, set()).add(each.entity)
    assert sorted(of_incident.values(), key=len) == [{SLOW}, set(HOSTS[:WEB])], members
    hidden = [each for each in members if each.status == "silenced"]
    assert {each.entity for each in hidden} == set(WORKED_ON)
    assert len(told) + len(hidden) == len(members)
    say(f"{len(stream)} records of {len(HOSTS)} hosts: {len(members)} alerts, {len(hidden)} of them under a silence")
    say(f"incidents: {', '.join(f'one of {len(hosts)}' for hosts in of_incident.values())}")

    wait_until(lambda: len(pager.received) >= 4, "the messages")
    assert sorted(title.split("] ")[1] for title in pager.titles if title.endswith("not normal")) == [
        f"hosts / {SLOW}: not normal",
        f"hosts: {WEB} entities not normal",
    ]
    assert len([title for title in pager.titles if "normal again" in title]) == len(pager.titles) - 2 == 2

    for title in pager.titles:
        say(f"sent: {title}")

    label_the_outage_by_one_key(plant, database, page)
    hid = json.loads(plant.run("silences", "list", "--all", "--json"))
    assert [each["hidden_alerts"] for each in hid] == [len(hidden)]


def label_the_outage_by_one_key(plant: Plant, database: Engine, page: Page) -> None:
    """The list has two lines; a key labels the outage's alerts, another takes it back."""
    plant.start("serve", "--port", "0")
    page.goto(f"{wait_for_address(plant)}/alerts")
    rows = page.locator(".inbox tbody tr")
    expect(rows).to_have_count(2)
    outage = rows.filter(has_text=f"and {WEB - 1} more")
    outage.get_by_role("checkbox").check()
    page.keyboard.press("t")
    expect(rows).to_have_count(1)
    labelled = (
        "SELECT count(distinct a.entity) FROM labels l JOIN alerts a ON a.id = l.alert_id WHERE a.verdict = 'true'"
    )
    assert value_of(database, labelled) == WEB
    say(f"one key labelled the alerts of {WEB} hosts; another takes it back")
    page.keyboard.press("z")
    expect(rows).to_have_count(2)
    assert value_of(database, labelled) == 0
    outage.get_by_role("link").click()
    expect(page.get_by_role("heading", name=f"{WEB} entities")).to_be_visible()
