"""The shop with Rehive as its only payment method: the other of the sandbox is another checkout's."""

from benchmarks.settings import *
from benchmarks.settings import OSCAR_REHIVE

OSCAR_REHIVE["PAYMENT_METHODS"] = ["oscar_rehive.checkout.methods.Rehive"]
