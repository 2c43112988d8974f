"""Terms of the packed exchange. Whatever was signed before, was signed for contracts that are no longer used."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='community',
            name='oracle_address',
            field=models.CharField(blank=True, max_length=42),
        ),
        migrations.AddField(
            model_name='mandate',
            name='fee_cap_micro_per_kwh',
            field=models.PositiveBigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='mandate',
            name='imbalance_cap_micro_per_kwh',
            field=models.PositiveBigIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.RemoveField(
            model_name='supplyagreement',
            name='meter',
        ),
        migrations.AddField(
            model_name='supplyagreement',
            name='fallback_import_w',
            field=models.PositiveBigIntegerField(default=0, help_text='mean power that a meter without a reading is taken to have drawn'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='supplyagreement',
            name='valid_from',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text='start of the first interval'),
            preserve_default=False,
        ),
    ]
