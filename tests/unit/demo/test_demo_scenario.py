"""A wrong scenario is refused by file, line and place."""

import gzip

import pytest

from demo.prepare import SCENARIOS
from demo.scenario import load_scenario
from demo.yaml_lines import ScenarioError


def refusal(path) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return [line.rsplit("minimal.yaml", 1)[-1] for line in caught.value.lines]


def line_of(path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(("name", "members"), [("minimal", 2), ("fontana", 11), ("simbench", 10)])
def test_our_scenarios_are_valid(name, members):
    scenario = load_scenario(SCENARIOS / f"{name}.yaml")
    assert len(scenario.facts.members) == members
    with_pv = sum(member.pv is not None for member in scenario.facts.members)
    assert len(scenario.columns) == members + with_pv


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (
            "capacity_kwh: 6.4",
            "capacity_kwh: -1",
            "members.0.battery.capacity_kwh: Input should be greater than 0",
        ),
        (
            "capacity_kwh: 6.4",
            "capacity_kwh: .nan",
            "members.0.battery.capacity_kwh: Input should be a finite number",
        ),
        (
            "capacity_kwh: 6.4",
            "capacity_kwh: big",
            "members.0.battery.capacity_kwh: Input should be a valid number",
        ),
        ("capacity_kwh: 6.4", "capacity: 6.4", "members.0.battery.capacity_kwh: Field required"),
        (
            "capacity_kwh: 6.4",
            "size: 1, capacity_kwh: 6.4",
            "members.0.battery.size: Extra inputs are not permitted",
        ),
        (
            "capacity_kwh: 6.4",
            "capacity_kwh: 6.4, soc_min_kwh: 7",
            "members.0.battery.soc_min_kwh: must be below",
        ),
        (
            "fallback_import_w: 1000",
            "fallback_import_w: -1",
            "members.1.fallback_import_w: Input should be greater than or equal to 0",
        ),
        ("username: ben", "username: ada", 'members.1.username: "ada" is already the username of members.0'),
        ("username: ben", "username: operator", 'members.1.username: "operator" is reserved'),
        ("username: ben", "username: Ben Sato", "members.1.username: String should match pattern"),
        (
            "username: ben",
            "username: ben\n    transport: carrier pigeon",
            "members.1.transport: Input should be",
        ),
        ("time_zone: America/Los_Angeles", "time_zone: Mars/Base", "time_zone: is not a time zone such as"),
        (
            "time_zone: America/Los_Angeles",
            "time_zone: Asia/Kolkata",
            "interval_minutes: must divide the distance",
        ),
        ("interval_minutes: 60", "interval_minutes: 7", "interval_minutes: Input should be 5, 15, 30 or 60"),
        (
            "reading_deadline_minutes: 120",
            "reading_deadline_minutes: 1380",
            "reading_deadline_minutes: must be at most 1379: an interval can be settled for 1 day",
        ),
        ("currency: USD", "currency: dollars", "currency: String should match pattern"),
        ("feed_in_per_kwh: 0.08", "feed_in_per_kwh: 0.9", "tariff.feed_in_per_kwh: must lie between 0 and"),
        (
            "feed_in_per_kwh: 0.08",
            "feed_in_per_kwh: 0.08\n  bands: [{from: '9', to: '08:00', price_per_kwh: 1}]",
            'tariff.bands.0.from: must be a time such as "16:00", got "9"',
        ),
        (
            "feed_in_per_kwh: 0.08",
            "feed_in_per_kwh: 0.08\n  bands: [{from: '09:00', to: '08:00', price_per_kwh: 1}]",
            "tariff.bands.0.to: must be later than from",
        ),
        ("column: upstairs_kwh", "column: cellar_kwh", "members.0.load.column: "),
        (
            "load: {series: week, column: corner",
            "load: {series: year, column: corner",
            'members.1.load.series: "year"',
        ),
        ("file: minimal.csv", "file: maximal.csv", "series.week.file: there is no file "),
    ],
)
def test_a_wrong_value_is_named_by_its_line(spoil, old, new, place):
    blamed = "interval_minutes: 60" if "Asia" in new else old
    line = line_of(SCENARIOS / "minimal.yaml", blamed) + new.count("\n")
    assert any(told.startswith(f":{line}: {place}") for told in refusal(spoil(old, new)))


def test_yaml_syntax_is_named_by_its_line(spoil):
    path = spoil("tariff:", "tariff: [")
    (line,) = refusal(path)
    assert ": YAML: " in line
    assert int(line.split(":")[1]) >= line_of(path, "tariff: [")


def test_a_repeated_key_is_refused(spoil):
    path = spoil("currency: USD", "currency: USD\ncurrency: EUR")
    (line,) = refusal(path)
    assert line.startswith(f":{line_of(path, 'currency: EUR')}: YAML: found duplicate key")


def test_a_missing_file_is_refused(tmp_path):
    (line,) = refusal(tmp_path / "minimal.yaml")
    assert line.startswith(":1: No such file")


def test_every_problem_is_told_at_once(spoil):
    spoil("capacity_kwh: 6.4", "capacity_kwh: -1")
    path = spoil("currency: USD", "currency: 5")
    assert len(refusal(path)) == 2


@pytest.mark.parametrize(
    ("line", "fields", "message"),
    [
        (2, {1: "nan"}, 'upstairs_kwh: "nan" is not a finite number'),
        (9, {1: "-0.5"}, 'upstairs_kwh: "-0.5" is not a finite number of 0 or more'),
        (7, {3: ""}, 'pv_kw_per_kw: "" is not a finite number'),
        (5, {0: "2017-06-05T02:00"}, "the label 2017-06-05T02:00 repeats"),
        (5, {0: "5 June at 3"}, '"5 June at 3" is not of the form'),
        (3, {1: "1,1"}, "5 fields, the header has 4"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(spoil, tmp_path, line, fields, message):
    row = (tmp_path / "minimal.csv").read_text().splitlines()[line - 1]
    changed = ",".join(fields.get(at, text) for at, text in enumerate(row.split(",")))
    (problem,) = refusal(spoil(row, changed, file="minimal.csv"))
    assert f"minimal.csv line {line}: {message}" in problem


def test_a_missing_row_is_named_by_its_interval(spoil, tmp_path):
    row = next(text for text in (tmp_path / "minimal.csv").read_text().splitlines() if "T05:00" in text)
    (problem,) = refusal(spoil(row + "\n", "", file="minimal.csv"))
    assert "has no row for the interval that starts 2017-06-05 05:00 local" in problem


def test_a_broken_archive_is_refused(spoil, tmp_path):
    (tmp_path / "week.csv.gz").write_bytes(gzip.compress(b"time,x\n" * 500)[:40])
    (problem,) = refusal(spoil("file: minimal.csv", "file: week.csv.gz"))
    assert "week.csv.gz cannot be read" in problem
