"""By itself: PostgreSQL alters no table whose rows were changed in the same transaction."""

from typing import Any

from django.db import migrations, models

NOTES_OF_0002 = (
    "Staff cancelled the order.",
    "Staff took the cancellation of the order back.",
)
"""What stood in ``cancel_reason`` for staff's decisions: now the order's own status tells of them, and a
note that is left would be taken for a wish to cancel."""


NOT_PAYING = ("duplicate", "late", "mismatch", "part_paid", "after_cancel", "no_order")
"""What was said of money that did not pay the order, or only once a person had accepted it."""


def fill_in(apps: Any, schema_editor: Any) -> None:
    """Every payment knows its reference, every paid invoice what of it pays the order, and every
    payable one that it is in use."""
    using = schema_editor.connection.alias
    payments = apps.get_model("oscar_rehive", "OrderPayment").objects.using(using)
    invoices = apps.get_model("oscar_rehive", "Invoice").objects.using(using)
    payments.update(reference=models.F("order_number"))
    for payment in payments.filter(order_number__contains=" (deleted, "):
        number = payment.order_number.removesuffix(f" (deleted, {payment.pk})")
        payments.filter(pk=payment.pk).update(reference=number)
    payments.filter(cancel_reason__in=NOTES_OF_0002).update(cancel_reason="")
    paid = invoices.filter(state="paid", payment__paid_at__isnull=False)
    paid.exclude(attentions__kind__in=NOT_PAYING).update(pays=models.F("amount"))
    # Of several, or of those that a person has accepted, the first.
    for payment in (
        payments.filter(paid_at__isnull=False)
        .annotate(
            paying=models.Count(
                "invoices", filter=models.Q(invoices__pays__isnull=False), distinct=True
            )
        )
        .exclude(paying=1)
    ):
        of_this = paid.filter(payment=payment)
        chosen = (
            of_this.exclude(pays=None).order_by("attempt").first()
            or of_this.order_by("attempt").first()
        )
        of_this.update(pays=None)
        if chosen is not None:
            invoices.filter(pk=chosen.pk).update(pays=chosen.amount)
    payable = invoices.filter(state__in=["opening", "open"], close_due=False)
    for invoice in payable.order_by("payment_id", "attempt"):
        # Where the database made no constraint with a condition, there may be two: the newest stays.
        invoices.filter(payment_id=invoice.payment_id, in_use=True).update(
            in_use=None, close_due=True
        )
        invoices.filter(pk=invoice.pk).update(in_use=True)


class Migration(migrations.Migration):
    dependencies = [
        ("oscar_rehive", "0003_one_place_that_decides"),
    ]

    operations = [
        migrations.RunPython(fill_in, migrations.RunPython.noop),
    ]
