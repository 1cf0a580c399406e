from oscar.apps.order import utils


class OrderNumberGenerator(utils.OrderNumberGenerator):
    # No vowels, so that no number spells a word, and nothing that looks like a digit.
    ALPHABET = "BCDFGHJKMNPQRSTVWXZ"

    def order_number(self, basket):
        number = super().order_number(basket)
        letters = ""
        while number:
            number, digit = divmod(number, len(self.ALPHABET))
            letters = self.ALPHABET[digit] + letters
        return f"CS-{letters}"
