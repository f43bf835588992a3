#!/usr/bin/env python3
"""Makes real-looking orders, one JSON object a line, numbered without a gap."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

_PRODUCTS = {
    "books": {"Cookbook": 24.90, "Crime novel": 11.95, "Atlas": 49.00, "Dictionary": 32.50},
    "electronics": {"Headphones": 79.99, "Keyboard": 54.90, "Power bank": 29.95},
    "garden": {"Hose 20 m": 34.95, "Pruning shears": 18.49, "Tomato seeds": 2.79},
    "groceries": {"Olive oil": 9.49, "Coffee 1 kg": 15.99, "Pasta": 1.59, "Honey": 6.90},
    "kitchen": {"Frying pan": 39.90, "Chef's knife": 64.00, "Mug": 7.95},
    "toys": {"Puzzle": 14.99, "Building blocks": 27.50, "Kite": 19.90},
}
# A shop sells more groceries than headphones.
_WEIGHTS = {"books": 5, "electronics": 2, "garden": 3, "groceries": 9, "kitchen": 3, "toys": 4}


def generate(first: int, count: int, at: datetime) -> Iterator[str]:
    """Make the orders from number `first` on, as lines; the same numbers buy the same things."""
    for number in range(first, first + count):
        choice = random.Random(number)
        category = choice.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))[0]
        product, price = choice.choice(list(_PRODUCTS[category].items()))
        order = {
            "order_id": f"order-{number:07d}",
            "ordered_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            + f"{at.microsecond // 1000:03d}Z",
            "customer": f"customer-{choice.randrange(500):03d}",
            "category": category,
            "product": product,
            "quantity": choice.choice((1, 1, 1, 2, 2, 3, 5)),
            "unit_price": price,
        }
        yield json.dumps(order) + "\n"


def main() -> None:
    """Print orders."""
    parser = argparse.ArgumentParser(description="Prints orders, one JSON object a line.")
    parser.add_argument("--first", type=int, default=1, help="number of the first order")
    parser.add_argument("--count", type=int, default=100, help="how many orders")
    arguments = parser.parse_args()
    sys.stdout.writelines(generate(arguments.first, arguments.count, datetime.now(UTC)))


if __name__ == "__main__":
    main()
