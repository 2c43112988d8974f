from django.db import migrations, models
from django.db.models import OuterRef, Subquery

ROLES = {"lightgbm": "served", "seasonal_naive": "reference"}


def name_the_models(apps, _schema_editor):
    """Forecasts of before the registry were made by the model that their run is named after."""
    forecasts = apps.get_model("planning", "SiteForecast").objects
    runs = apps.get_model("planning", "ForecastRun").objects.filter(pk=OuterRef("run"))
    forecasts.filter(model_name="").update(model_name=Subquery(runs.values("role")[:1]))


def rename_runs(apps, _schema_editor):
    runs = apps.get_model("planning", "ForecastRun").objects
    for name, role in ROLES.items():
        runs.filter(role=name).update(role=role)


def rename_back(apps, _schema_editor):
    runs = apps.get_model("planning", "ForecastRun").objects
    for name, role in ROLES.items():
        runs.filter(role=role).update(role=name)


class Migration(migrations.Migration):
    """Runs say what they are for; "lightgbm" meant whatever model served."""

    dependencies = [
        ("planning", "0002_model_registry"),
    ]

    operations = [
        migrations.RemoveConstraint("forecastrun", "forecast_run_once"),
        migrations.RenameField("forecastrun", "model_name", "role"),
        migrations.RunPython(name_the_models, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(rename_runs, rename_back, elidable=True),
        migrations.AlterField(
            "forecastrun",
            "role",
            models.CharField(choices=[("served", "Served"), ("reference", "Reference")], max_length=10),
        ),
        migrations.AddConstraint(
            "forecastrun",
            models.UniqueConstraint(fields=("kind", "role", "issued_at"), name="forecast_run_once"),
        ),
        migrations.AlterField(
            "siteforecast",
            "model_name",
            models.CharField(help_text="of the model that made it", max_length=40),
        ),
    ]
