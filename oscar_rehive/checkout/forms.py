"""The form of the payment-method step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from oscar_rehive.checkout.methods import PaymentMethod


class PaymentMethodForm(forms.Form):
    """One radio button for each method."""

    method = forms.ChoiceField(
        widget=forms.RadioSelect, error_messages={"required": _("Please choose how to pay.")}
    )

    def __init__(self, methods: Sequence[PaymentMethod], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.methods = methods
        field = self.fields["method"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(method.code, method.title) for method in methods]
