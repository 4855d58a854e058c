"""Generate credit-like applications. Nobody's data: every number comes from the seed, and the rule behind it is below.

The chance of a default is a logistic function of what a lender would look at, with thresholds and interactions, so that
deep trees have something to find; what is drawn from that chance is the label.
"""

import numpy as np

FEATURES = [
    "age_years",
    "income_kiloeuro",
    "debt_kiloeuro",
    "loan_kiloeuro",
    "term_months",
    "late_payments",
    "utilization",
    "employed_years",
    "accounts",
    "owns_home",
    "inquiries",
    "savings_kiloeuro",
]


def applications(seed, count):
    """Features (float32, [count, 12]), labels (int64, 1 is a default), and the true chances of a default."""
    rng = np.random.Generator(np.random.PCG64(seed))
    age = rng.integers(18, 76, count)
    employed = np.minimum(rng.gamma(2.0, 4.0, count), age - 17).round(1)
    income = np.exp(rng.normal(3.4 + 0.015 * np.minimum(employed, 20), 0.45, count)).round(1)
    owns = rng.random(count) < 1 / (1 + np.exp(-(age - 42) / 9 - (income - 35) / 40))
    savings = (rng.gamma(1.2, 0.25, count) * income * (1 + owns)).round(1)
    debt = (rng.gamma(1.5, 0.2, count) * income * (1 + 2 * owns)).round(1)
    loan = np.clip(rng.gamma(2.0, 0.25, count) * income, 1, 90).round(1)
    term = rng.choice([12, 24, 36, 48, 60, 84], count)
    accounts = rng.poisson(1 + age / 15)
    utilization = np.clip(rng.beta(2, 3, count) + 0.15 * (debt > income), 0, 1).round(3)
    late = rng.poisson(0.35 + 1.8 * (utilization > 0.7) + 0.5 * (employed < 1))
    inquiries = rng.poisson(0.8 + 0.6 * (late > 1))
    burden = (12 * loan / term + 0.15 * debt) / income
    score = (
        -4.0
        + 3.2 * np.tanh(2.5 * burden - 0.7)
        + 0.8 * np.minimum(late, 4)
        + 1.6 * (utilization > 0.75)
        + 0.9 * ((employed < 2) & (loan > 0.5 * income))
        + 0.35 * inquiries * (accounts < 3)
        - 0.9 * (owns & (savings > loan))
        - 0.03 * np.minimum(employed, 15)
        + 0.7 * (np.abs(age - 24) < 4)
        + 0.6 * ((term > 48) & (age > 64))
    )
    chance = 1 / (1 + np.exp(-1.3 * score))
    columns = [age, income, debt, loan, term, late, utilization, employed, accounts, owns, inquiries, savings]
    features = np.stack([np.asarray(c, np.float64) for c in columns], 1).astype(np.float32)
    return features, (rng.random(count) < chance).astype(np.int64), chance
