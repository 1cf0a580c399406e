from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("oscar_rehive", "0006_retries"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="attention",
            options={
                "base_manager_name": "objects",
                "ordering": [models.OrderBy(models.F("resolved_at"), nulls_first=True), "-pk"],
                "permissions": [
                    ("accept_attention", "Can let money that waits pay its order"),
                    ("take_for_gone_attention", "Can take an invoice for gone"),
                    ("resolve_attention", "Can mark attention as resolved"),
                ],
                "verbose_name": "attention",
                "verbose_name_plural": "attention",
            },
        ),
    ]
