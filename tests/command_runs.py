"""What the tests of the command line on tables have in common: a table, its files, and options that are quick."""

import csv

import numpy

QUICK = ("--epochs", "3", "--hidden", "8", "--device", "cpu")
FILES = {"report.html", "model.safetensors", "metrics.json", "history.csv", "held_out.csv", "settings.json", "plots"}


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def people(count=200, seed=0):
    """Rows of a number with holes, a word, a boolean, and what follows from them."""
    generator = numpy.random.default_rng(seed)
    age, town = generator.uniform(20, 80, count).round(2), generator.choice(["Oslo", "Rome", "Bern"], count)
    paid = generator.random(count) < 0.5
    pay = (age * 3 + 40 * (town == "Oslo") + 10 * paid).round(3)
    rows = [
        ["" if n % 17 == 3 else a, t, p, y, "high" if y > 180 else "low", "abc"[int(a) % 3]]
        for n, (a, t, p, y) in enumerate(zip(age.tolist(), town.tolist(), paid.tolist(), pay.tolist(), strict=True))
    ]
    return ["age", "town", "paid", "pay", "level", "kind"], rows
