"""What the webhook is measured beside: a view that checks the secret, parses the body and commits one
INSERT, and nothing else. Also its URLconf: by itself, or inside the sandbox's own."""

from __future__ import annotations

import hmac
import json

from django.conf import settings
from django.db import connection, models
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

PATH = "/bare/"


class Row(models.Model):
    """Into a copy of the plugin's own table, with its indexes."""

    received_at = models.DateTimeField(default=timezone.now)
    event_id = models.CharField(max_length=128, default="")
    remote_id = models.CharField(max_length=64)
    reference = models.CharField(max_length=255, default="")
    body = models.TextField()
    state = models.CharField(max_length=16, default="done")
    reason = models.TextField(default="")
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "benchmarks"
        managed = False
        db_table = "benchmark_bare"

    def __str__(self) -> str:
        return self.remote_id


def make_table() -> None:
    """Beside the plugin's own."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {Row._meta.db_table} (LIKE oscar_rehive_delivery INCLUDING ALL)"
        )


@csrf_exempt
def view(request: HttpRequest) -> HttpResponse:
    given = request.headers.get("Authorization", "").encode()
    expected = f"Secret {settings.OSCAR_REHIVE['WEBHOOK_SECRET']}".encode()
    if not hmac.compare_digest(given, expected):
        return JsonResponse({}, status=401)
    body = request.body.decode()
    told = json.loads(body)
    Row.objects.create(remote_id=told["data"]["id"], body=body)
    stored = JsonResponse({"message": "Stored."})
    # Without it the connection ends with the answer, where no middleware adds it.
    stored.headers["Content-Length"] = str(len(stored.content))
    return stored


urlpatterns = [path("bare/", view)]
if settings.MIDDLEWARE:
    # These look at the addresses of the whole shop.
    urlpatterns.append(path("", include("sandbox.urls")))
