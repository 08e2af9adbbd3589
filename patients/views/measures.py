"""Measures of a patient: the list, entering one, what it says, striking it, the trend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from clinic.edge.access import requires, staff
from clinic.edge.context import current_location
from clinic.edge.htmx import go
from clinic.edge.links import own_page
from clinic.edge.lists import listing
from clinic.models import Location
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.measures import MeasureForm, StrikeForm, TotalForm, WhenForm
from patients.models import Assessment, AssessmentSource, Patient
from patients.pure.measures import MEASURES, ChangeSeen, Entry, Measure, change_between, measures_by_group
from patients.pure.measures.words import explained
from patients.services.assessments import Circumstances, find, record_assessment, strike_assessment
from patients.services.intake_settings import intake_settings_of
from patients.services.panels import marks_for
from patients.services.registry import MergedPatientError
from patients.services.trends import MOST_POINTS, chart_facts, points_of, scores_of
from patients.views.record import moment_of, open_record, to_kept

TAB = "measures:patient"


@require_GET
@requires(Can.VIEW_CLINICAL)
def patient_measures(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Every assessment of the patient, and what may be entered next."""
    head = open_record(request, pk, tab=TAB, page="Measures")
    if isinstance(head, HttpResponseBase):
        return head
    rows: QuerySet[Assessment] = Assessment.objects.filter(patient=head.patient).select_related("recorded_by")
    wanted = request.GET.get("measure", "")
    if wanted in MEASURES:
        rows = rows.filter(measure=wanted)
    page = listing(request, rows, sorts={"when": ["taken_at"], "measure": ["measure", "-taken_at"]}, default="-when")
    context = {
        "head": head,
        "patient": head.patient,
        "listing": page,
        "rows": [Shown.of(row) for row in page.rows],
        "groups": measures_by_group(),
        "measure_filter": wanted if wanted in MEASURES else "",
        "measures": MEASURES.values(),
    }
    return render(request, "patients/measures/list.html", context)


@require_http_methods(["GET", "POST"])
@requires(Can.RECORD_MEASURE)
def entry(request: HttpRequest, pk: int, measure: str) -> HttpResponseBase:
    """A measure is typed in: item by item, or as a total from paper."""
    one, place, patient = _measure(measure), _place(request), get_object_or_404(Patient, pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, TAB)
    forms = _forms(request, one, place)
    if request.method != "POST" or not forms.are_valid:
        return _entry_page(request, patient, forms)
    if forms.unanswered and "save_incomplete" not in request.POST:
        return _entry_page(request, patient, forms, asks_about=forms.unanswered)
    day, clock = forms.when.moment()
    try:
        row = record_assessment(
            patient=patient,
            measure=one.code,
            taken_at=place.at(day, clock),
            source=AssessmentSource.STAFF,
            by=staff(request),
            location=place,
            now=moment_of(request).now,
            note=forms.when.cleaned_data["note"],
            token=forms.when.cleaned_data["token"],
            **forms.facts(),
        )
    except MergedPatientError:
        return to_kept(request, get_object_or_404(Patient, pk=pk), TAB)
    except ValidationError as refused:
        forms.refuse(refused)
        return _entry_page(request, patient, forms)
    messages.success(request, f"{one.short_name} was saved.")
    shown, back = reverse("measures:result", args=[row.pk]), _back(request)
    return go(request, f"{shown}?{urlencode({'back': back})}" if back else shown)


@require_GET
@requires(Can.VIEW_CLINICAL)
def result(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One assessment: the score, what it means, whose words they are; and whom to call when it signals danger."""
    row = get_object_or_404(Assessment.objects.select_related("recorded_by", "struck_by"), pk=pk)
    head = open_record(request, row.patient_id, tab=TAB, page="Measure")
    if isinstance(head, HttpResponseBase):
        return head
    shown, place = Shown.of(row), _place(request)
    before = scores_of(head.patient, row.measure).filter(taken_at__lt=row.taken_at).first() if shown.measure else None
    alerts = list(row.danger_alerts.select_related("acknowledged_by"))
    own = {alert.pk for alert in alerts}  # said by the page itself, with more words
    context = {
        "head": replace(head, alerts=[alert for alert in head.alerts if alert.pk not in own]),
        "patient": head.patient,
        "row": row,
        "shown": shown,
        "before": before,
        "change": shown.change_from(before),
        "alerts": alerts,
        "crisis_text": intake_settings_of(place).crisis_text if alerts else "",
        "place": place,
        "back": _back(request),
    }
    return render(request, "patients/measures/result.html", context)


@require_http_methods(["GET", "POST"])
@requires(Can.RECORD_MEASURE)
def strike(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Entered in error: it counts no more and stays visible."""
    row = get_object_or_404(Assessment.objects.select_related("patient"), pk=pk)
    form = StrikeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            strike_assessment(
                patient_id=row.patient_id,
                assessment_id=row.pk,
                reason=form.cleaned_data["reason"],
                by=staff(request),
                now=moment_of(request).now,
            )
        except MergedPatientError:
            return to_kept(request, get_object_or_404(Patient, pk=row.patient_id), TAB)
        messages.success(request, "Struck. It counts no more and stays in the list.")
        return go(request, "measures:result", row.pk)
    by, subject, now = staff(request), row.patient.resource_id, moment_of(request).now
    record_reading(by=by, subject_id=subject, page="Measure to strike", path=request.path, now=now)
    context = {"row": row, "shown": Shown.of(row), "patient": row.patient, "form": form, "place": _place(request)}
    return render(request, "patients/measures/strike.html", context, status=422 if form.errors else 200)


@require_GET
@requires(Can.VIEW_CLINICAL)
def trend(request: HttpRequest, pk: int, measure: str) -> HttpResponseBase:
    """Scores over time with bands and infusions: a chart, and the table with the same facts."""
    one = _measure(measure)
    head = open_record(request, pk, tab=TAB, page=f"Trend of {one.short_name}")
    if isinstance(head, HttpResponseBase):
        return head
    place, marks = _place(request), marks_for(request, head.patient)
    rule = next((change for change in one.changes if change.key == request.GET.get("change")), None)
    points = points_of(head.patient, one, place, marks, rule=rule.key if rule else "")
    context = {
        "head": head,
        "patient": head.patient,
        "measure": one,
        "points": points[::-1],
        "most_points": MOST_POINTS,
        "marks": marks,
        "chart": chart_facts(one, points, marks) if one.has_total and points else None,
        "overlaps": any(point.window for point in points),
        "rule": rule or next(iter(one.changes), None),
        "place": place,
    }
    return render(request, "patients/measures/trend.html", context)


# -- what templates show -----------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Shown:
    """A row with its instrument. An instrument that this version does not know any more is shown by its code."""

    row: Assessment
    measure: Measure | None

    @classmethod
    def of(cls, row: Assessment) -> Shown:
        return cls(row, MEASURES.get(row.measure))

    @property
    def name(self) -> str:
        return self.measure.short_name if self.measure else self.row.measure

    @property
    def has_danger(self) -> bool:
        dangers = {"phq9_item9", "suicide_item", "cssrs_moderate", "cssrs_high"}
        return bool(dangers & set(self.row.detail.get("flags", ())))

    @property
    def is_open(self) -> bool:
        """The item about suicide was left out."""
        return "danger_item_unanswered" in self.row.detail.get("flags", ())

    @property
    def meaning(self) -> list[tuple[str, str]]:
        if self.measure is None:
            return []
        return explained(self.measure, score=self.row.score, is_prorated=self.row.is_prorated, detail=self.row.detail)

    @property
    def answers(self) -> list[tuple[int, str, str, int | None]]:
        """Number, question, answer in words, value; for what was entered item by item."""
        if self.measure is None or self.row.detail.get("entered") == "total":
            return []
        found = []
        for item in self.measure.items:
            value = self.row.answers.get(str(item.number))
            label = item.label_of(value) if value in item.values else ""
            found.append((item.number, item.text, "" if label == str(value) else label, value))
        return found

    def change_from(self, before: Assessment | None) -> ChangeSeen | None:
        """The move since the score before; None where there is none."""
        if self.measure is None or before is None or self.row.score is None or before.score is None:
            return None
        return change_between(self.measure.code, before.score, self.row.score)


# -- entering ----------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class EntryForms:
    """The two forms of the entry page: when, and either the questions or the total."""

    measure: Measure
    when: WhenForm
    questions: MeasureForm | None
    total: TotalForm | None

    @property
    def body(self) -> MeasureForm | TotalForm:
        found = self.questions or self.total
        assert found is not None  # noqa: S101 (made so by `_forms`)
        return found

    @property
    def are_valid(self) -> bool:
        return all([self.when.is_valid(), self.body.is_valid()])

    @property
    def unanswered(self) -> tuple[int, ...]:
        return self.questions.unanswered() if self.questions else ()

    def facts(self) -> dict[str, Any]:
        """What the forms say, in the words of `record_assessment`."""
        if self.questions:
            return {"answers": self.questions.answers()}
        said: Mapping[str, Any] = self.body.cleaned_data
        circumstances = Circumstances(said.get("form_version", ""), said.get("finished_high_school"))
        return {
            "total": Decimal(said["total"]),
            "danger_answer": said.get("danger_answer"),
            "circumstances": circumstances,
        }

    def refuse(self, refused: ValidationError) -> None:
        by_field = getattr(refused, "error_dict", {})
        if "taken_at" in by_field:
            self.when.add_error("taken_on", by_field["taken_at"])
        else:
            self.body.add_error(None, refused.messages)


def _forms(request: HttpRequest, one: Measure, place: Location) -> EntryForms:
    wants_total = (request.POST or request.GET).get("how", one.entry.value) == Entry.TOTAL.value
    as_total = one.has_total and (wants_total or not one.items)
    moment = moment_of(request)
    local = place.local(moment.now)
    now = {"taken_on": local.date(), "taken_time": local.strftime("%H:%M"), "token": uuid4().hex}
    data = request.POST if request.method == "POST" else None
    return EntryForms(
        measure=one,
        when=WhenForm(data, initial=now, today=local.date()),
        questions=None if as_total else MeasureForm(one, data),
        total=TotalForm(one, data) if as_total else None,
    )


def _entry_page(
    request: HttpRequest, patient: Patient, forms: EntryForms, *, asks_about: tuple[int, ...] = ()
) -> HttpResponseBase:
    one = forms.measure
    context = {
        "patient": patient,
        "measure": one,
        "forms": forms,
        "form": forms.body,
        "asks_about": asks_about,
        "how": (Entry.TOTAL if forms.total else Entry.ITEMS).value,
        "other_way": bool(one.items) and one.has_total,
        "here": reverse("measures:entry", args=[patient.pk, one.code]),
        "back": _back(request),
    }
    return render(request, "patients/measures/entry.html", context, status=422 if request.method == "POST" else 200)


def _back(request: HttpRequest) -> str:
    """The page that asked for the measure, such as the follow-up of a course; empty where none did."""
    return own_page(request, (request.POST or request.GET).get("back", ""), "")


def _measure(code: str) -> Measure:
    try:
        return find(code)
    except LookupError as unknown:
        raise Http404("There is no such measure.") from unknown


def _place(request: HttpRequest) -> Location:
    place = current_location(request)
    if place is None:
        raise Http404("There is no location yet. A manager adds one under Set-up.")
    return place
