"""A shop whose checkout's views.py is the README's example."""

from __future__ import annotations

import re
from typing import Any

from django.urls import include, path

from sandbox.urls import urlpatterns as sandbox_urls
from tests.test_readme import README

example = re.search(r"A checkout of your own.*?```python\n(.*?)```", README, re.DOTALL)
assert example is not None
views: dict[str, Any] = {}
exec(example.group(1), views)

own_checkout = [
    path("payment-method/", views["PaymentMethodView"].as_view(), name="payment-method"),
    path("payment-details/", views["PaymentDetailsView"].as_view(), name="payment-details"),
    path("preview/", views["PaymentDetailsView"].as_view(preview=True), name="preview"),
    path("thank-you/", views["ThankYouView"].as_view(), name="thank-you"),
]
urlpatterns = [path("checkout/", include((own_checkout, "own_checkout"))), *sandbox_urls]
