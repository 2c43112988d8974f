from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('market', '0001_initial'),
    ]

    operations = [
        migrations.AlterField(
            model_name='deliveryinterval',
            name='state',
            field=models.CharField(choices=[('open', 'Open'), ('cleared', 'Cleared'), ('committed', 'Committed'), ('settled', 'Settled'), ('lapsed', 'Lapsed')], default='open', max_length=10),
        ),
    ]
