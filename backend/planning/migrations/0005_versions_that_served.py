import django.db.models.deletion
from django.db import migrations, models


def list_models(apps, _schema_editor):
    """Runs of before say by name who served how many sites; which version that was, nobody wrote down."""
    runs = apps.get_model("planning", "ForecastRun").objects
    for run in runs.exclude(served={}).iterator():
        for facts in run.served.values():
            by_name = facts.pop("sites_by_model")
            facts["models"] = [
                {"name": name, "version": None, "sites": sites} for name, sites in by_name.items()
            ]
        run.save(update_fields=["served"])


def count_by_name(apps, _schema_editor):
    runs = apps.get_model("planning", "ForecastRun").objects
    for run in runs.exclude(served={}).iterator():
        for facts in run.served.values():
            facts["sites_by_model"] = {}
            for model in facts.pop("models"):
                earlier = facts["sites_by_model"].get(model["name"], 0)
                facts["sites_by_model"][model["name"]] = earlier + model["sites"]
        run.save(update_fields=["served"])


class Migration(migrations.Migration):
    """Forecasts name the version that made them: two of one name are two models."""

    dependencies = [
        ("planning", "0004_settings_of_cards"),
    ]

    operations = [
        migrations.AddField(
            "siteforecast",
            "model_version",
            models.ForeignKey(
                help_text="null: of the reference, or from before this was kept",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="forecasts",
                to="planning.modelversion",
            ),
        ),
        migrations.RunPython(list_models, count_by_name, elidable=True),
    ]
