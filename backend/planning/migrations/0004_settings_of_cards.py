from django.db import migrations, models


class Migration(migrations.Migration):
    """Cards name every setting, not those alone that were chosen."""

    dependencies = [
        ("planning", "0003_roles_of_runs"),
    ]

    operations = [
        migrations.AlterField(
            "modelversion",
            "settings",
            models.JSONField(default=dict, help_text="a value for each that the model has; before that was kept, the chosen ones"),
        ),
    ]
