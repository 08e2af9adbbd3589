"""The factory of patients makes rows that the tables accept."""

from __future__ import annotations

from datetime import date

import pytest

from patients.pure.indications import Indication
from patients.tests.factories import make_allergy, make_medicine, make_patient, make_problem, make_unavailability

pytestmark = pytest.mark.django_db


def test_a_patient_with_everything_and_a_second_one() -> None:
    ada = make_patient(phones=["+12125550123", "+12125550124"], conditions=[Indication.TRD])
    mei = make_patient("Mei", "Chen")
    make_allergy(ada)
    make_problem(ada)
    make_medicine(ada)
    make_unavailability(ada, date(2027, 1, 20))
    assert ada.mrn != mei.mrn
    assert [phone.is_primary for phone in ada.phones.all()] == [True, False]
    assert ada.age_on(date(2027, 1, 7)) == 41
