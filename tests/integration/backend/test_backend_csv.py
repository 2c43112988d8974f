"""The history that a community brings along: a whole file or nothing, and the line and column at fault."""

import pytest
from town import HOUR, OPENED, iso, meter_id

from backend.telemetry import queries, services
from backend.telemetry.models import Reading
from domain.errors import FieldError

HEADER = "meter_id,interval_start,interval_s,import_wh,export_wh,soc_wh"
WHEN = OPENED - HOUR


def line(**changes):
    fields = {
        "meter_id": meter_id("ana"),
        "interval_start": iso(WHEN),
        "interval_s": "3600",
        "import_wh": "10",
        "export_wh": "0",
        "soc_wh": "",
    }
    return ",".join((fields | changes).values())


def load(*lines, header=HEADER):
    return services.import_readings(services.read_csv([header, *lines]))


def test_a_history_is_imported_once_and_settles_nothing(town):
    rows = [line(interval_start=iso(WHEN - n * HOUR)) for n in range(3)] + [
        line(meter_id=meter_id("ben", "battery"), soc_wh="4000")
    ]
    assert load(*rows) == 4
    assert load(*rows, line(meter_id=meter_id("cleo"))) == 1
    assert set(Reading.objects.values_list("quality", "source", "signature")) == {("imported", "csv", "")}
    assert queries.signed_readings(WHEN, [meter_id("ana")]) == {}
    assert queries.newest_soc_kwh(OPENED) == {town.meter("ben", "battery").pk: 4.0}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("meter_id", "0x12"),
        ("meter_id", ""),
        ("interval_start", "yesterday"),
        ("interval_start", "2026-06-01T11:00:00"),
        ("interval_start", "0001-01-01T00:00:00+14:00"),
        ("interval_start", "2026-06-01T11:20:00Z"),
        ("interval_start", iso(OPENED)),
        ("interval_s", "900"),
        ("interval_s", "0"),
        ("import_wh", "-1"),
        ("import_wh", "1.5"),
        ("import_wh", "nan"),
        ("import_wh", ""),
        ("import_wh", "²"),
        ("import_wh", "٣"),
        ("import_wh", "1_0"),
        ("import_wh", str(10**12 + 1)),
        ("import_wh", "9" * 5_000),
        ("export_wh", "inf"),
        ("export_wh", " 1"),
        ("soc_wh", "full"),
        ("soc_wh", str(10**20)),
    ],
    ids=lambda v: v[:14],
)
def test_a_bad_line_is_named_and_nothing_is_stored(town, column, text):  # noqa: ARG001 - the community
    with pytest.raises(FieldError) as refusal:
        load(line(), line(interval_start=iso(WHEN - HOUR)), line(**{column: text}))
    assert refusal.value.field == f"line 4.{column}"
    assert not Reading.objects.exists()


def test_lines_that_are_too_short_or_too_long_are_named(town):  # noqa: ARG001 - the community
    short, long = line().rsplit(",", 3)[0], line() + ",7"
    with pytest.raises(FieldError, match=r"^line 3\.import_wh"):
        load(line(), short)
    with pytest.raises(FieldError, match=r"^line 3: "):
        load(line(), long)
    assert not Reading.objects.exists()


def test_missing_columns_are_named(town):  # noqa: ARG001 - the community
    with pytest.raises(FieldError, match="columns missing: export_wh, soc_wh"):
        load(header="meter_id,interval_start,interval_s,import_wh")
    with pytest.raises(FieldError, match="line 1"):
        services.import_readings(services.read_csv([]))


def test_a_fault_far_down_undoes_the_batches_before_it(town, monkeypatch):
    whole = services.batched_rows
    monkeypatch.setattr(services, "batched_rows", lambda rows: whole(rows, size=2))
    rows = [line(interval_start=iso(WHEN - n * HOUR)) for n in range(5)]
    with pytest.raises(FieldError, match=r"^line 7\.export_wh"):
        load(*rows, line(export_wh="x"))
    assert not Reading.objects.exists()
    assert load(*rows) == 5
    assert Reading.objects.filter(meter=town.meter("ana")).count() == 5


def test_a_signed_reading_is_not_replaced_by_an_imported_one(town):
    town.to(OPENED + HOUR)
    town.read("ana", start=OPENED, wh=(1_200, 0))
    assert load(line(interval_start=iso(OPENED), import_wh="1")) == 0
    assert Reading.objects.get().import_wh == 1_200
