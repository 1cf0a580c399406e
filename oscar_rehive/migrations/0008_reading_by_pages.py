from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("oscar_rehive", "0007_permissions_of_staff"),
    ]

    operations = [
        migrations.CreateModel(
            name="Claim",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("task", models.CharField(max_length=255, unique=True, verbose_name="task")),
                ("owner", models.CharField(db_index=True, max_length=128, verbose_name="run")),
                ("until", models.DateTimeField(db_index=True, verbose_name="until")),
            ],
            options={
                "verbose_name": "claim",
                "verbose_name_plural": "claims",
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="Reading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "business_id",
                    models.CharField(max_length=64, unique=True, verbose_name="business"),
                ),
                (
                    "count",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="invoices in all"
                    ),
                ),
                (
                    "page",
                    models.PositiveIntegerField(
                        default=1, help_text="Where the pass goes on.", verbose_name="next page"
                    ),
                ),
                (
                    "begun_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="pass begun"),
                ),
                ("read_at", models.DateTimeField(blank=True, null=True, verbose_name="last read")),
                (
                    "oldest",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Of this pass; made then, in milliseconds since 1970, UTC.",
                        null=True,
                        verbose_name="oldest so far",
                    ),
                ),
                (
                    "in_order",
                    models.BooleanField(
                        default=True,
                        help_text="This pass has met the newest first, so far.",
                        verbose_name="in order",
                    ),
                ),
                (
                    "newest_first",
                    models.BooleanField(
                        default=False,
                        help_text="The last pass that reached the list's end had met the newest first.",
                        verbose_name="newest first",
                    ),
                ),
                (
                    "unread",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Keys of lost attempts that may be among what this pass could not read.",
                        verbose_name="may be unreadable",
                    ),
                ),
            ],
            options={
                "verbose_name": "reading",
                "verbose_name_plural": "readings",
                "abstract": False,
                "base_manager_name": "objects",
            },
        ),
    ]
