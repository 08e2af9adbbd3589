"""Loading the demo clinic, and emptying the tables before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from clinic.models import User
from courses.models import Course
from courses.services.courses import mark_interrupted
from courses.services.demo.after import live, own_terms
from courses.services.demo.desk import Desk, consent_states, set_up_intake, signals
from courses.services.demo.links import questionnaire_links
from courses.services.demo.messages import outbox
from courses.services.demo.place import Site, build_place
from courses.services.demo.play import Play
from courses.services.demo.stories import Story, stories
from courses.services.protocols import install_shipped_protocols
from courses.services.results import work_out_all
from patients.models import Patient, PatientStatus, TreatedCondition
from patients.services.registry import PatientData, register_patient

Report = Callable[[str], None]
KEPT_TABLES = {"django_content_type", "auth_permission"}  # written by migrate, not by the clinic
GROWN_UP, OLDEST = 19, 78
STEPS_TOLD = 250
OWN_TERMS_SINCE = timedelta(days=30)
CONSULTATION_TIMES = (time(9), time(10, 30), time(13), time(14, 30), time(16))


@dataclass(frozen=True, slots=True)
class Loaded:
    patients: int
    courses: int
    skipped: tuple[str, ...]


def is_empty() -> bool:
    """True when nobody can sign in yet: the database of a first start."""
    return not User.objects.exists()


def _our_tables() -> str:
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT_TABLES
    return ", ".join(connection.ops.quote_name(table) for table in sorted(tables))


def clear_everything() -> None:
    """Every table of the product is empty, history too. Only for a demo: production refuses."""
    if settings.PRODUCTION:
        raise ImproperlyConfigured("This is a production installation: its records are not thrown away.")
    with connection.cursor() as cursor:
        # Checks that wait for the commit would refuse to let go of their tables.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        # One statement, so that the order of foreign keys does not matter; row triggers do not stand in its way.
        cursor.execute(f"TRUNCATE {_our_tables()} RESTART IDENTITY CASCADE")
        cursor.execute("ALTER SEQUENCE patients_mrn RESTART")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")  # as they were: a draw and its lines in the log come one by one


def load_demo(*, now: datetime, import_people: Callable[[User], object], report: Report) -> Loaded:
    """A fictitious clinic stands, with its people, patients and nearly eighty courses around ``now``.

    Args:
        import_people: brings the population in, on behalf of the person given.
        report: is told what is being done.
    """
    report("two locations, eight chairs, a dozen people")
    sites = build_place(now=now)
    install_shipped_protocols(by=sites[0].clinicians[0], now=now - timedelta(days=300))
    manager, prescriber = User.objects.get(username="manager"), sites[0].clinicians[0]
    set_up_intake(sites, by=manager, prescriber=prescriber, now=now - timedelta(days=380))
    report("patients from the synthetic population")
    import_people(sites[0].desk)
    report("courses in every phase")
    _refresh_statistics()
    play = Play(now=now, sites=sites)
    for site in sites:
        play.stage(site)
    people = _candidates(sites, now)
    for story, patient in zip(stories(), people, strict=False):
        _treated_for(patient, story)
        play.tell(story, patient)
    coming = people[len(stories()) :]
    _consultations(play, coming)
    Desk(play).open()
    play.at(now - OWN_TERMS_SINCE, lambda when: own_terms(by=manager, now=when))

    def told(done: int, _left: int) -> None:
        if done % STEPS_TOLD == 1:  # at once too: the first steps fill tables of which nothing is known
            _refresh_statistics()
            report(f"courses in every phase: {done} steps")

    play.run(told)
    mark_interrupted(now)
    live(sites, now)
    questionnaire_links(coming, location=sites[0].location, by=sites[0].nurses[0], now=now)
    signals(people[4:6], location=sites[0].location, by=sites[0].desk, now=now)
    consent_states(coming[20:23], sites, by=manager, now=now)
    report("messages of the last days, and the plan of the next weeks")
    outbox(sites, now)
    report("what the courses achieved")
    work_out_all(now)
    return Loaded(Patient.objects.count(), Course.objects.count(), tuple(play.skipped))


def _refresh_statistics() -> None:
    """The planner of PostgreSQL knows the size of what was just written; no other process can see it to tell it."""
    with connection.cursor() as cursor:
        # Not all tables: the server's own are shared by its databases, and would stay locked for every one of them.
        cursor.execute(f"ANALYZE {_our_tables()}")


def _candidates(sites: Sequence[Site], now: datetime) -> list[Patient]:
    """Adults who are alive, spread over the population, with a telephone and a home location."""
    today = now.date()
    rows = Patient.objects.current().filter(
        status=PatientStatus.ACTIVE,
        birth_date__lte=_years_before(today, GROWN_UP),
        birth_date__gte=_years_before(today, OLDEST),
    )
    people = list(rows.order_by("mrn")[::4])
    written = [_guest(sites[0].desk, now), *people]
    for number, patient in enumerate(written, 1):
        _reachable(patient, number)
    return written


def _years_before(day: date, years: int) -> date:
    return day.replace(year=day.year - years, day=min(day.day, 28))


def _guest(by: User, now: datetime) -> Patient:
    """The patient of the sketches, who is not in any population."""
    data = PatientData(
        given_name="Ada",
        family_name="Okafor",
        birth_date=date(1985, 3, 7),
        pronouns="she/her",
        sex="female",
        email="ada@patients.example",
        referrer="Dr. Lena Fischer, Midtown Psychiatry",
        insurance_note="Self-pay, package of six agreed",
    )
    return register_patient(data=data, by=by, now=now)


def _reachable(patient: Patient, number: int) -> None:
    """Most have a telephone (numbers of fiction, 555-01xx) and somebody to call; a few do not, so that it shows."""
    if number % 9:
        patient.phones.get_or_create(
            number=f"+1212555{100 + number % 100:04d}", defaults={"is_primary": not patient.phones.exists()}
        )
    if number % 7 and not patient.emergency_name:
        patient.emergency_name, patient.emergency_relation = "Jordan " + patient.family_name, "partner"
        patient.emergency_phone = f"+1646555{100 + number % 100:04d}"
        patient.save(update_fields=["emergency_name", "emergency_relation", "emergency_phone"])


def _treated_for(patient: Patient, story: Story) -> None:
    TreatedCondition.objects.get_or_create(patient=patient, indication=story.indication)


def _consultations(play: Play, people: Sequence[Patient]) -> None:
    """Two or three a day at each location, from a week ago to two weeks ahead."""
    queue = iter(people)
    for offset in (0, *range(-7, 0), *range(1, 15)):
        for site in play.sites:
            day = site.location.local(play.now).date() + timedelta(days=offset)
            if not site.location.opening_hours.filter(weekday=day.weekday()).exists():
                continue
            for number, clock in enumerate(CONSULTATION_TIMES[offset % 2 :: 2]):
                patient = next(queue, None)
                if patient is None:
                    return
                play.consult(site=site, patient=patient, day=day, clock=clock, turn=offset + number)
