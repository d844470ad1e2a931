"""Learners of this group for the laws."""

from learner_case import Case

CASES: dict[str, Case] = {}
