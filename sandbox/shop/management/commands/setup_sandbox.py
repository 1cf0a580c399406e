"""Make the sandbox shop ready: database, goods, accounts, search index.

Made to be run at every start: it adds what is missing and changes nothing that is there, so that
orders, stock and whatever was edited in the dashboard stay as they are. With --demo it adds orders in every
state that the desk can show, each once.
"""

from datetime import timedelta
from io import BytesIO

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sites.models import Site
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from oscar.core.loading import get_model

from sandbox.shop import accounts, demo, goods, pictures

COUNTRIES = [
    ("US", "USA", "840", "United States", "United States of America"),
    ("GB", "GBR", "826", "United Kingdom", "United Kingdom of Great Britain"),
    ("DE", "DEU", "276", "Germany", "Federal Republic of Germany"),
    ("NL", "NLD", "528", "Netherlands", "Kingdom of the Netherlands"),
    ("ZA", "ZAF", "710", "South Africa", "Republic of South Africa"),
    ("JP", "JPN", "392", "Japan", "Japan"),
]
FREE_VOUCHER = "FREE"


class Command(BaseCommand):
    help = "Makes the sandbox shop ready; run it as often as you like."
    # The checks of some apps look into tables that the first run has yet to make.
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument(
            "--demo",
            action="store_true",
            help="add orders in every state that the desk can show; the simulator must be running",
        )

    def handle(self, *args, **options):
        if options["demo"]:
            self.insist(demo.insist_on_simulator)
        self.migrate()
        with transaction.atomic():
            self.set_address()
            self.add_countries()
            added = self.add_products()
            self.add_voucher()
            self.set_accounts()
        call_command("update_index", remove=True, verbosity=0)
        self.summarise(added)
        if options["demo"]:
            self.stdout.write(demo.summary(self.insist(demo.fill)))

    def insist(self, step):
        try:
            return step()
        except demo.Impossible as error:
            raise CommandError(str(error)) from error

    def migrate(self):
        executor = MigrationExecutor(connection)
        # Asking first saves a second, because "migrate" with nothing to do still takes one.
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("Preparing the database …")
            self.stdout.flush()
            call_command("migrate", interactive=False, verbosity=0)

    def set_address(self):
        Site.objects.update_or_create(
            pk=settings.SITE_ID,
            defaults={
                "domain": settings.SHOP_ADDRESS.netloc,
                "name": settings.OSCAR_SHOP_NAME,
            },
        )
        Site.objects.clear_cache()

    def add_countries(self):
        Country = get_model("address", "Country")
        for place, (a2, a3, numeric, name, official) in enumerate(COUNTRIES):
            Country.objects.get_or_create(
                iso_3166_1_a2=a2,
                defaults={
                    "iso_3166_1_a3": a3,
                    "iso_3166_1_numeric": numeric,
                    "printable_name": name,
                    "name": official,
                    "display_order": len(COUNTRIES) - place,
                    "is_shipping_country": True,
                },
            )

    def add_products(self):
        kinds = {kind.name: self.add_kind(kind) for kind in goods.KINDS}
        categories = {name: self.add_category(name) for name in goods.CATEGORIES}
        partner, _ = get_model("partner", "Partner").objects.get_or_create(
            code="corner-shop", defaults={"name": settings.OSCAR_SHOP_NAME}
        )
        added = [
            item.title
            for item in goods.PRODUCTS
            if self.add_product(item, kinds[item.kind], categories[item.category], partner)
        ]
        StockRecord = get_model("partner", "StockRecord")
        StockRecord.objects.exclude(price_currency=settings.SHOP_CURRENCY).update(
            price_currency=settings.SHOP_CURRENCY
        )
        return added

    def add_kind(self, kind):
        product_class, _ = get_model("catalogue", "ProductClass").objects.get_or_create(
            name=kind.name,
            defaults={
                "requires_shipping": kind.requires_shipping,
                "track_stock": kind.track_stock,
            },
        )
        return product_class

    def add_category(self, name):
        Category = get_model("catalogue", "Category")
        return Category.objects.filter(depth=1, name=name).first() or Category.add_root(name=name)

    def add_product(self, item, product_class, category, partner):
        product, created = get_model("catalogue", "Product").objects.get_or_create(
            upc=item.upc,
            defaults={
                "title": item.title,
                "description": f"<p>{item.description}</p>",
                "product_class": product_class,
            },
        )
        if created:
            product.categories.add(category)
            product.stockrecords.create(
                partner=partner,
                partner_sku=item.upc,
                price_currency=settings.SHOP_CURRENCY,
                price=item.price,
                num_in_stock=item.stock,
            )
            product.images.create(original=self.draw(item))
            return True
        # The database can outlive the folder of pictures.
        for image in product.images.filter(original__endswith=item.picture):
            if not image.original.storage.exists(image.original.name):
                image.original.storage.save(image.original.name, self.draw(item))
        return False

    def draw(self, item):
        buffer = BytesIO()
        pictures.draw(item.upc).save(buffer, "PNG", optimize=True)
        return ContentFile(buffer.getvalue(), name=item.picture)

    def add_voucher(self):
        """One that makes any basket free, to try a total of zero."""
        Voucher = get_model("voucher", "Voucher")
        if Voucher.objects.filter(code=FREE_VOUCHER).exists():
            return
        everything, _ = get_model("offer", "Range").objects.get_or_create(
            name="Everything in the shop", defaults={"includes_all_products": True}
        )
        condition = get_model("offer", "Condition").objects.create(
            range=everything, type="Count", value=1
        )
        benefit = get_model("offer", "Benefit").objects.create(
            range=everything, type="Percentage", value=100
        )
        offer, _ = get_model("offer", "ConditionalOffer").objects.get_or_create(
            name="Everything free",
            defaults={
                "offer_type": "Voucher",
                "condition": condition,
                "benefit": benefit,
            },
        )
        now = timezone.now()
        voucher = Voucher.objects.create(
            name="Everything free",
            code=FREE_VOUCHER,
            usage=Voucher.MULTI_USE,
            start_datetime=now - timedelta(days=1),
            end_datetime=now + timedelta(days=3650),
        )
        voucher.offers.add(offer)

    def set_accounts(self):
        if settings.USES_SIMULATOR:
            self.add_accounts()
            accounts.reopen()
            return
        for email in accounts.close():
            self.stdout.write(f"{email} has lost its password, which everybody knows.")

    def add_accounts(self):
        users = get_user_model().objects
        if not users.filter(email=accounts.STAFF_EMAIL).exists():
            users.create_superuser(
                accounts.STAFF_EMAIL,
                accounts.STAFF_EMAIL,
                accounts.STAFF_PASSWORD,
                first_name="Sam",
                last_name="Staff",
            )
        if not users.filter(email=accounts.CUSTOMER_EMAIL).exists():
            customer = users.create_user(
                accounts.CUSTOMER_EMAIL,
                accounts.CUSTOMER_EMAIL,
                accounts.CUSTOMER_PASSWORD,
                first_name="Casey",
                last_name="Customer",
            )
            customer.addresses.create(
                first_name="Casey",
                last_name="Customer",
                line1="12 Corner Street",
                line4="Springfield",
                state="IL",
                postcode="62701",
                country_id="US",
                is_default_for_shipping=True,
                is_default_for_billing=True,
            )

    def summarise(self, added):
        count = get_model("catalogue", "Product").objects.count()
        orders = get_model("order", "Order").objects.count()
        self.stdout.write(
            f"The shop is ready: {count} products ({len(added)} new), {orders} orders."
        )
        if settings.USES_SIMULATOR:
            self.stdout.write(
                f"  customer  {accounts.CUSTOMER_EMAIL}  {accounts.CUSTOMER_PASSWORD}\n"
                f"  staff     {accounts.STAFF_EMAIL}  {accounts.STAFF_PASSWORD}"
            )
        elif not accounts.somebody_is_staff():
            self.stdout.write(
                "  staff     nobody yet. Make an account, with the same variables set:\n"
                f"            {accounts.HOW_TO_MAKE_STAFF}"
            )
        self.stdout.write(f"  voucher   {FREE_VOUCHER} (takes off 100 %)")
