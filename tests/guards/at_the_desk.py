"""Guards of the desk, where a store owner looks and acts."""

from __future__ import annotations

from tests.guards.base import Mutation

DESK = "oscar_rehive/dashboard"
RIGHTS = ("tests/dashboard/test_rights.py",)
SEEN = ("tests/dashboard/test_what_was_seen.py",)
ODD = ("tests/dashboard/test_odd_input.py",)
ACTIONS = ("tests/dashboard/test_actions.py",)

AT_THE_DESK: tuple[Mutation, ...] = (
    Mutation(
        "nothing works without the right to view",
        f"{DESK}/rights.py",
        "is_staff and user.has_perm(VIEW) and user.has_perm(right)",
        "is_staff and user.has_perm(right)",
        RIGHTS,
    ),
    Mutation(
        "users of a partner never act",
        f"{DESK}/rights.py",
        "is_staff = bool(user.is_active and user.is_staff)",
        "is_staff = bool(user.is_active)",
        RIGHTS,
    ),
    Mutation(
        "a partner sees nothing of an old payment with a number of theirs",
        f"{DESK}/rights.py",
        "OrderPayment.objects.filter(theirs, order_number",
        "OrderPayment.objects.filter(order_number",
        RIGHTS,
    ),
    Mutation(
        "a refund is asked for by the second page",
        f"{DESK}/refunding.py",
        '        if "sure" in request.POST:\n',
        "        if True:\n",
        ACTIONS,
    ),
    Mutation(
        "nobody is led out of the shop",
        f"{DESK}/pages.py",
        'return told if is_ours and told.startswith("/") else otherwise',
        "return told or otherwise",
        ACTIONS,
    ),
    Mutation(
        "a word is no way back",
        f"{DESK}/pages.py",
        'is_ours and told.startswith("/")',
        "is_ours",
        ODD,
    ),
    Mutation(
        "no more is forgiven than was said",
        "oscar_rehive/payments/deciding.py",
        "if agreed is not None and agreed != missing:",
        "if False:",
        SEEN,
    ),
    Mutation(
        "what has grown is looked at again",
        "oscar_rehive/payments/deciding.py",
        "    if current.subject != seen.subject:\n",
        "    if False:\n",
        SEEN,
    ),
    Mutation(
        "what has grown is not dealt with unseen",
        "oscar_rehive/payments/deciding.py",
        "pk=attention.pk, subject=attention.subject, resolved_at=None",
        "pk=attention.pk, resolved_at=None",
        SEEN,
    ),
    Mutation(
        "a fact is dealt with under the lock",
        "oscar_rehive/payments/deciding.py",
        "return under_lock(attention.payment.order_number, work)",
        "return work(None)  # type: ignore[arg-type]",
        ("tests/race/test_lost_updates.py",),
        postgres=True,
    ),
    Mutation(
        "two colleagues do not make one refund twice",
        "oscar_rehive/payments/refunding.py",
        "if left not in (None, units_left(current)):",
        "if False:",
        SEEN,
    ),
    Mutation(
        "a refund that may have been made is told",
        "oscar_rehive/payments/refunding.py",
        "        if error.may_have_happened:\n",
        "        if False:\n",
        ("tests/dashboard/test_no_answer.py",),
    ),
    Mutation(
        "two clicks send one mail",
        "oscar_rehive/payments/by_hand.py",
        "if not claim(sent, MAIL_AGAIN_SECONDS):",
        "if False:",
        SEEN,
    ),
    Mutation(
        "users of a partner learn nothing of facts from the list",
        f"{DESK}/listing.py",
        "if for_staff else {}",
        "if True else {}",
        RIGHTS,
    ),
    Mutation(
        "what is not awaited is not cancelled",
        f"{DESK}/panel.py",
        "plan.payment.is_settled or progress.stage in FINAL",
        "plan.payment.is_settled",
        ("tests/dashboard/test_panel.py",),
    ),
    Mutation(
        "the admin opens no page of the shoppers",
        "oscar_rehive/admin/payments.py",
        "return without_tokens(invoice.redirect_url)",
        "return invoice.redirect_url",
        ("tests/test_admin.py",),
    ),
    Mutation(
        "what was said to go back is what goes back",
        "oscar_rehive/payments/deciding.py",
        "if agreed is not None and agreed != amount:",
        "if False:",
        ("tests/dashboard/test_attention.py",),
    ),
    Mutation(
        "an invoice with money on its way is not closed by hand",
        "oscar_rehive/payments/by_hand.py",
        "    if money_is_here_or_comes(invoice):\n",
        "    if False:\n",
        ACTIONS,
    ),
    Mutation(
        "what is shown opens no page of the shopper's",
        f"{DESK}/told.py",
        "raw=without_tokens(_readable(remote, transactions)),",
        "raw=_readable(remote, transactions),",
        ("tests/dashboard/test_payments.py",),
    ),
    Mutation(
        "what staff ask of Rehive ends in the time of a page",
        "oscar_rehive/payments/gateway.py",
        "        with within(PAGE_SECONDS):\n            return view(",
        "        if True:\n            return view(",
        ("tests/dashboard/test_asking_rehive.py",),
    ),
    Mutation(
        "nothing is asked of Rehive inside the transaction of a request",
        "oscar_rehive/payments/gateway.py",
        'return cast("View", outside_transactions(in_time))',
        'return cast("View", in_time)',
        ("tests/checkout/test_databases.py",),
    ),
    Mutation(
        "whatever goes wrong, the menu goes on",
        f"{DESK}/menu.py",
        "    except Exception:  # whatever it is, the shop's dashboard must go on\n",
        "    except ZeroDivisionError:\n",
        ("tests/dashboard/test_home_and_menu.py",),
    ),
    Mutation(
        "no cell of the file is a formula",
        f"{DESK}/listing.py",
        r"""return _FORMULA.sub(r"\1'", text)""",
        "return text",
        ("tests/dashboard/test_payments.py",),
    ),
)
