"""What the sandbox shop sells, as plain data."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Kind:
    """A product class."""

    name: str
    requires_shipping: bool = True
    track_stock: bool = True


@dataclass(frozen=True)
class Product:
    upc: str
    title: str
    category: str
    price: Decimal
    stock: int | None
    description: str
    kind: str = "Goods"

    @property
    def picture(self):
        return f"{self.upc}.png"


KINDS = [Kind("Goods"), Kind("Download", requires_shipping=False, track_stock=False)]

CATEGORIES = ["Kitchen", "Desk", "Home", "Small things", "Downloads"]

PRODUCTS = [
    Product(
        "mug",
        "Stoneware mug",
        "Kitchen",
        Decimal("18.00"),
        400,
        "Thrown and glazed in one colour outside and another inside. Holds 350 ml.",
    ),
    Product(
        "tea",
        "Earl Grey tin",
        "Kitchen",
        Decimal("9.80"),
        250,
        "Black tea with oil of bergamot, 100 g of loose leaves in a tin that closes tight.",
    ),
    Product(
        "notebook",
        "Dotted notebook",
        "Desk",
        Decimal("12.50"),
        300,
        "160 dotted pages that lie flat, with a ribbon and an elastic band.",
    ),
    Product(
        "lamp",
        "Desk lamp",
        "Desk",
        Decimal("64.00"),
        40,
        "A steel lamp with two joints that stays where you put it.",
    ),
    Product(
        "clock",
        "Wall clock",
        "Home",
        Decimal("48.00"),
        0,
        "A quiet clock with a sweeping second hand. Sold out, to see how the shop says so.",
    ),
    Product(
        "plant",
        "Rubber plant",
        "Home",
        Decimal("34.00"),
        25,
        "Ficus elastica, 40 cm, in a clay pot. Wants light and little water.",
    ),
    Product(
        "vase",
        "Hand-thrown vase",
        "Home",
        Decimal("89.00"),
        2,
        "No two are alike, and there are only two.",
    ),
    Product(
        "scarf",
        "Lambswool scarf",
        "Home",
        Decimal("42.00"),
        80,
        "Woven in stripes, 180 by 30 cm.",
    ),
    Product(
        "record-player",
        "Record player",
        "Home",
        Decimal("1249.00"),
        10,
        "Belt drive, 33 and 45 turns, walnut plinth. The dearest thing in the shop.",
    ),
    Product(
        "tote",
        "Canvas tote bag",
        "Small things",
        Decimal("22.00"),
        150,
        "Heavy cotton, with handles long enough for a shoulder.",
    ),
    Product(
        "postcard",
        "Penny postcard",
        "Small things",
        Decimal("0.01"),
        1000,
        "Costs a cent: the smallest amount that can be paid.",
    ),
    Product(
        "field-guide",
        "Houseplants, a guide (e-book)",
        "Downloads",
        Decimal("7.50"),
        None,
        "Sixty plants and what each of them wants. A download: nothing is shipped.",
        kind="Download",
    ),
]
