"""The guards around setting up and checking: what may be told to whom, and what is left behind."""

from __future__ import annotations

from tests.guards.base import Mutation

CHECKING = ("tests/management/test_rehive_check.py",)
SETTING_UP_TESTS = ("tests/management/setting_up",)

SETTING_UP = (
    Mutation(
        "set-up: the webhook's secret is sent only to who has proved to be this shop",
        "oscar_rehive/checkup/of_webhook.py",
        "if without.status != 401 or not without.is_ours:",
        "if without.status != 401:",
        CHECKING,
    ),
    Mutation(
        "set-up: only a probe of our own is given a proof",
        "oscar_rehive/webhooks.py",
        "    if is_probe(probe):\n",
        "    if probe:\n",
        ("tests/test_webhooks.py",),
    ),
    Mutation(
        "set-up: the webhook of another living shop is left alone",
        "oscar_rehive/management/commands/rehive_setup.py",
        "if of_webhook.call(hook.url).may_be_a_shop:",
        "if False:",
        SETTING_UP_TESTS,
    ),
    Mutation(
        "set-up: webhooks with another secret are somebody else's",
        "oscar_rehive/payments/registering.py",
        'return "elsewhere" if hook.secret in secrets else "others"',
        'return "elsewhere"',
        SETTING_UP_TESTS,
    ),
    Mutation(
        "set-up: the new webhook comes before the old one goes",
        "oscar_rehive/payments/registering.py",
        "        client.create_webhook(url=url, secret=secret)\n",
        "        [client.delete_webhook(hook.id) for hook in there.refused]\n"
        "        client.create_webhook(url=url, secret=secret)\n"
        "        there = Registered(there.good, (), there.elsewhere, there.others)\n",
        SETTING_UP_TESTS,
    ),
    Mutation(
        "set-up: the trial's invoice is ended whatever interrupts",
        "oscar_rehive/payments/trying.py",
        "    except KeyboardInterrupt:\n",
        "    except ZeroDivisionError:\n",
        SETTING_UP_TESTS,
    ),
    Mutation(
        "set-up: the trial's invoice ends by itself",
        "oscar_rehive/payments/trying.py",
        '        "expiration_date": int(ends.timestamp()) * 1000,\n',
        '        "expiration_date": int(ends.timestamp()) * 2000,\n',
        SETTING_UP_TESTS,
    ),
    Mutation(
        "set-up: nothing is registered where the shop does not answer",
        "oscar_rehive/management/commands/rehive_setup.py",
        " or not of_webhook.reached(url).is_good:",
        ":",
        SETTING_UP_TESTS,
    ),
    Mutation(
        "set-up: a delivery of a trial belongs to no order and is done",
        "oscar_rehive/payments/deliveries.py",
        "elif is_trial(alike[0].reference):",
        "elif False:",
        SETTING_UP_TESTS,
    ),
    Mutation(
        "set-up: what the shop has silenced is not told",
        "oscar_rehive/checkup/of_settings.py",
        " and not message.is_silenced()",
        "",
        ("tests/test_checkup.py",),
    ),
)
