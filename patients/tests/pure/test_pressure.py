"""Blood pressure before an infusion. Expected: clinical.md case 32, C1, D3, H0 R9."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.models import IntakeSettings
from patients.pure.evidence import citations_in
from patients.pure.pressure import DEFAULT, PROFILES, Reading, Verdict, judge_pressure, profile_of


@pytest.mark.parametrize(
    ("systolic", "diastolic", "heart_rate", "verdict", "limits"),
    [
        (138, 88, 80, Verdict.PROCEED, ()),
        (140, 90, 80, Verdict.PROCEED, ()),
        (141, 85, 80, Verdict.SOFT, ("Systolic 141 mmHg is above 140",)),
        (152, 94, 80, Verdict.SOFT, ("Systolic 152 mmHg is above 140", "Diastolic 94 mmHg is above 90")),
        (158, 100, 80, Verdict.HARD, ("Diastolic 100 mmHg is not below 100",)),
        (160, 85, 80, Verdict.HARD, ("Systolic 160 mmHg is not below 160",)),
        (130, 80, 112, Verdict.HARD, ("Heart rate 112 a minute is above 110",)),
    ],
)
def test_case_32_exactly(systolic, diastolic, heart_rate, verdict, limits) -> None:
    found = judge_pressure(profile_of(DEFAULT), systolic, diastolic, heart_rate)
    assert (found.profile, found.verdict, found.limits) == (DEFAULT, verdict, limits)


@pytest.mark.parametrize(
    ("code", "fine", "reached", "verdict"),
    [
        # the last values that pass, the first that do not: each side of each limit
        ("default", (140, 90, 110), (141, 90, 110), Verdict.SOFT),
        ("default", (140, 90, 110), (140, 91, 110), Verdict.SOFT),
        ("default", (140, 90, 110), (140, 90, 111), Verdict.HARD),
        ("label", (140, 90, 200), (141, 90, 80), Verdict.SOFT),
        ("label", (140, 90, 80), (200, 91, 80), Verdict.SOFT),
        ("trial_e1", (160, 90, 200), (161, 90, 80), Verdict.HARD),
        ("trial_e1", (160, 90, 80), (160, 91, 80), Verdict.HARD),
        ("trial_e2", (150, 120, 110), (151, 80, 110), Verdict.HARD),
        ("trial_e2", (150, 120, 110), (150, 80, 111), Verdict.HARD),
        ("swiss_label", (180, 100, 200), (181, 100, 80), Verdict.HARD),
        ("swiss_label", (180, 100, 80), (180, 101, 80), Verdict.HARD),
    ],
)
def test_each_profile_has_its_published_limits(code, fine, reached, verdict) -> None:
    profile = profile_of(code)
    assert judge_pressure(profile, *fine).verdict is Verdict.PROCEED
    assert judge_pressure(profile, *reached).verdict is verdict


def test_the_hard_limits_of_the_default_begin_at_160_and_100() -> None:
    assert judge_pressure(profile_of(DEFAULT), 159, 99, 80).verdict is Verdict.SOFT
    assert judge_pressure(profile_of(DEFAULT), 160, 99, 80).verdict is Verdict.HARD
    assert judge_pressure(profile_of(DEFAULT), 159, 100, 80).verdict is Verdict.HARD


def test_a_pulse_that_nobody_measured_is_said() -> None:
    assert judge_pressure(profile_of(DEFAULT), 120, 80, None).unjudged == (Reading.HEART_RATE,)
    assert judge_pressure(profile_of("label"), 120, 80, None).unjudged == ()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.code)
def test_each_profile_names_a_source_and_fits_its_column(profile) -> None:
    assert citations_in(profile.source)
    assert len(profile.code) <= (IntakeSettings._meta.get_field("pressure_profile").max_length or 0)


def test_a_code_that_is_gone_gives_the_default() -> None:
    assert profile_of("of last year").code == IntakeSettings().pressure_profile == DEFAULT


RANK = list(Verdict)


@given(st.sampled_from(PROFILES), st.integers(40, 300), st.integers(20, 200), st.integers(20, 300), st.integers(0, 30))
def test_a_higher_reading_is_never_judged_milder(profile, systolic, diastolic, heart_rate, more) -> None:
    before = judge_pressure(profile, systolic, diastolic, heart_rate).verdict
    for higher in ((systolic + more, diastolic, heart_rate), (systolic, diastolic + more, heart_rate)):
        assert RANK.index(judge_pressure(profile, *higher).verdict) >= RANK.index(before)
