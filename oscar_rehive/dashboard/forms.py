"""The form that the list of payments is narrowed with."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from oscar_rehive import conf
from oscar_rehive.rehive.statuses import Status

POSSIBLE = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))]
"""Days. The first and the last of Python's own are none in another time zone."""


class SearchForm(forms.Form):
    """What payments are looked for by; what is empty narrows nothing. Days are those of the shop's time
    zone. Who is not of the staff learns nothing of facts, nor of the shop's businesses."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=254,
        widget=forms.TextInput(
            attrs={"placeholder": _("Order, invoice id, mail address or customer")}
        ),
    )
    standing = forms.ChoiceField(
        label=_("Standing"),
        required=False,
        choices=[
            ("", _("Any")),
            ("waiting", _("Waiting")),
            ("paid", _("Paid")),
            ("cancelled", _("Paid, then cancelled")),
            ("ended", _("Ended without payment")),
        ],
    )
    attention = forms.ChoiceField(
        label=_("Attention"),
        required=False,
        choices=[("", _("Any")), ("waits", _("Waits for a person")), ("had", _("Has had any"))],
    )
    status = forms.ChoiceField(
        label=_("Status at Rehive"),
        required=False,
        choices=[("", _("Any")), *((one.value, one.value) for one in Status)],
    )
    currency = forms.CharField(label=_("Currency"), required=False, max_length=12)
    business = forms.ChoiceField(label=_("Business"), required=False)
    date_from = forms.DateField(
        label=_("From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=POSSIBLE,
    )
    date_to = forms.DateField(
        label=_("To"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=POSSIBLE,
    )

    def __init__(self, *args: Any, for_staff: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not for_staff:
            del self.fields["attention"], self.fields["business"]
            return
        businesses = conf.as_it_is().businesses.values()
        if len(businesses) < 2:
            del self.fields["business"]  # there is nothing to choose
            return
        self.fields["business"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            ("", _("Any")),
            *((one.business_id, f"{one.currency} – {one.business_id}") for one in businesses),
        ]

    def clean_currency(self) -> str:
        """As the invoices have it, however it was typed."""
        typed = str(self.cleaned_data["currency"]).strip()
        known = {one.upper(): one for one in conf.as_it_is().businesses}
        return known.get(typed.upper(), typed)

    def clean(self) -> dict[str, Any]:
        """Days that are in order."""
        data: dict[str, Any] = super().clean() or {}
        first, last = data.get("date_from"), data.get("date_to")
        if first and last and first > last:
            self.add_error("date_to", _("This day is before the first one."))
        return data
