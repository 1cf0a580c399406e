from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("oscar_rehive", "0004_fill_in"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                fields=("payment", "in_use"), name="rehive_one_invoice_in_use"
            ),
        ),
    ]
