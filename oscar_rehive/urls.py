"""The plugin's addresses; see ``OscarRehiveConfig.urls`` for how a shop mounts them."""

from __future__ import annotations

from django.urls import path

from oscar_rehive import health, views, webhooks

# For a shop that includes this module by its name: without it none of the addresses is found.
app_name = "oscar_rehive"
urlpatterns = [
    path("pay/<str:token>/", views.PayView.as_view(), name="pay"),
    path("return/<str:token>/", views.ReturnView.as_view(), name="return"),
    path("status/<str:token>/", views.StatusView.as_view(), name="status"),
    path("cancel/<str:token>/", views.CancelView.as_view(), name="cancel"),
    path("placed/<str:token>/", views.PlacedView.as_view(), name="placed"),
    path("webhook/", webhooks.webhook, name="webhook"),
    path("health.json", health.health, name="health"),
]
