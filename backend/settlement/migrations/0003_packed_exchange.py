"""Batches in parts, late commitments, rows that wait for others."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('market', '0002_lapsed'),
        ('registry', '0002_packed_exchange'),
        ('settlement', '0002_mined_then_confirmed'),
    ]

    operations = [
        migrations.AddField(
            model_name='outboxtransaction',
            name='after',
            field=models.ForeignKey(help_text='sent only once this one has done what it was written for', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='followers', to='settlement.outboxtransaction'),
        ),
        migrations.AddField(
            model_name='outboxtransaction',
            name='not_after',
            field=models.DateTimeField(help_text='not sent any more once the newest block is as late as this', null=True),
        ),
        migrations.AlterField(
            model_name='commitment',
            name='interval',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='commitments', to='market.deliveryinterval'),
        ),
        migrations.RemoveField(
            model_name='commitment',
            name='batch',
        ),
        migrations.AddField(
            model_name='commitment',
            name='late',
            field=models.BooleanField(default=False),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='commitment',
            name='parts',
            field=models.JSONField(default=list),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='commitment',
            name='fallback_import_w',
            field=models.JSONField(default=dict, help_text='by account: mean power that a meter without a reading is taken to have drawn'),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name='commitment',
            constraint=models.UniqueConstraint(fields=('interval', 'late'), name='committed_once'),
        ),
        migrations.AlterField(
            model_name='settlement',
            name='interval',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='settlements', to='market.deliveryinterval'),
        ),
        migrations.AlterField(
            model_name='settlement',
            name='retailer_micro',
            field=models.BigIntegerField(help_text='what the retailer receives if everybody can pay; negative when it pays'),
        ),
        migrations.AlterField(
            model_name='settlement',
            name='unpaid_micro',
            field=models.BigIntegerField(default=0, help_text='what members could not pay'),
        ),
        migrations.AddField(
            model_name='settlement',
            name='part',
            field=models.PositiveSmallIntegerField(default=0, help_text='its place in the batch, from 0'),
        ),
        migrations.AddField(
            model_name='settlement',
            name='fund_micro',
            field=models.BigIntegerField(default=0, help_text='what the fund paid because members and the retailer could not'),
        ),
        migrations.AddField(
            model_name='settlement',
            name='reduced_micro',
            field=models.BigIntegerField(default=0, help_text='what members were credited less because the fund could not pay either'),
        ),
        migrations.AddConstraint(
            model_name='settlement',
            constraint=models.UniqueConstraint(fields=('interval', 'part'), name='part_settled_once'),
        ),
    ]
