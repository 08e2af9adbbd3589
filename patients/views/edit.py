"""Adding a patient, changing the registry's part of a record, and making one inactive or deceased."""

from __future__ import annotations

from copy import copy
from hashlib import sha256
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from phonenumber_field.phonenumber import PhoneNumber

from clinic.edge.access import requires, staff
from clinic.edge.htmx import go, is_fragment
from clinic.pure.roles import Can
from clinic.services.access import record_reading
from patients.forms.registry import MAX_PHONES, BasePhoneFormSet, PatientForm, QuickForm, StatusForm, phone_formset
from patients.models import Patient, PatientStatus
from patients.services.reach import mark_reach
from patients.services.registry import (
    BookingsStandError,
    MergedPatientError,
    PatientData,
    PhoneData,
    StalePatientError,
    change_status,
    reconcile,
    register_patient,
    upcoming_bookings,
    update_patient,
)
from patients.services.search import Similar, similar_patients
from patients.views.record import Moment, moment_of, to_kept

SENT_FOR_SECONDS = 60 * 60
MORE_PHONES = "more_phones"


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_PATIENT)
def add(request: HttpRequest) -> HttpResponseBase:
    """A new patient, after a look at whether this person is known already."""
    moment = moment_of(request)
    data = request.POST or None
    initial = {name: request.GET.get(name, "") for name in ("given_name", "family_name", "birth_date")}
    form = PatientForm(data, initial=initial, today=moment.today)
    phones = phone_formset(data, region=moment.region)
    similar: list[Similar] = []
    if data and MORE_PHONES in data:
        form = PatientForm(initial=data.dict(), today=moment.today)
        return _form_page(request, "patients/add.html", form, _one_more_row(data, moment))
    if data and form.is_valid() and phones.is_valid():
        details = _patient_data(form, phones)
        similar = [] if _was_sent(request, details) else _unconfirmed(request, details)
        if not similar:
            return _registered(request, details, moment)
    return _form_page(request, "patients/add.html", form, phones, similar=similar, asks=True, asked=True)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_PATIENT)
def quick_add(request: HttpRequest) -> HttpResponseBase:
    """A new patient from name, birth date and telephone alone: for somebody who is calling."""
    moment = moment_of(request)
    form = QuickForm(request.POST or None, today=moment.today, region=moment.region)
    similar: list[Similar] = []
    if request.POST and form.is_valid():
        number = form.cleaned_data["phone"]
        details = PatientData(
            given_name=form.cleaned_data["given_name"],
            family_name=form.cleaned_data["family_name"],
            birth_date=form.cleaned_data["birth_date"],
            phones=(PhoneData(number.as_e164, is_primary=True),) if number else (),
        )
        similar = [] if _was_sent(request, details) else _unconfirmed(request, details)
        if not similar:
            return _registered(request, details, moment)
    context = {
        "form": form,
        "similar": similar,
        "asks": True,
        "asked": True,
        "token": request.POST.get("token") or uuid4().hex,
    }
    return _render(request, "patients/quick_add.html", "patients/_quick_add.html", context, refused=bool(request.POST))


@require_POST
@requires(Can.EDIT_PATIENT)
def likely_duplicates(request: HttpRequest) -> HttpResponseBase:
    """Patients whom the half-typed form may mean. A POST, so that no name ends up in an address or a log."""
    born = PatientForm.base_fields["birth_date"]
    try:
        birth_date = born.clean(request.POST.get("birth_date", ""))
    except ValidationError:
        birth_date = None
    numbers = [str(request.POST[name]) for name in request.POST if name == "phone" or name.endswith("-number")]
    similar = similar_patients(
        given=request.POST.get("given_name", "")[:80],
        family=request.POST.get("family_name", "")[:80],
        birth_date=birth_date,
        phone=next(filter(None, numbers), ""),
        exclude=_number(request.POST.get("exclude")),
    )
    asks = not request.POST.get("exclude")
    mark_reach([one.patient for one in similar], person=staff(request), now=timezone.now())
    return render(request, "patients/_duplicates.html", {"similar": similar, "asks": asks})


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_PATIENT)
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The registry's part of a record. A stale page is shown again with both people's changes, nothing is lost."""
    patient = get_object_or_404(Patient.objects.select_related("home_location"), pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, "patients:edit")
    moment = moment_of(request)
    record_reading(
        by=staff(request), subject_id=patient.resource_id, page="Registry entry", path=request.path, now=moment.now
    )
    data = request.POST or None
    form = _patient_form(patient, moment, data)
    phones = phone_formset(data, initial=() if data else _phone_rows(patient), region=moment.region)
    if data and MORE_PHONES in data:
        form = PatientForm(initial=data.dict(), today=moment.today)
        return _form_page(request, "patients/edit.html", form, _one_more_row(data, moment), patient=patient)
    if data and form.is_valid() and phones.is_valid():
        details = _patient_data(form, phones)
        try:
            update_patient(
                patient_id=pk, data=details, expected_version=_version(form), by=staff(request), now=moment.now
            )
        except StalePatientError as stale:
            return _stale_page(request, stale, details, moment)
        except MergedPatientError:
            return to_kept(request, Patient.objects.get(pk=pk), "patients:edit")
        messages.success(request, "Saved.")
        return go(request, "patients:detail", pk)
    return _form_page(request, "patients/edit.html", form, phones, patient=patient)


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_PATIENT)
def status(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Active, inactive or deceased. Visits still ahead are listed, and stand only if the person says so."""
    patient = get_object_or_404(Patient, pk=pk)
    if patient.merged_into_id:
        return to_kept(request, patient, "patients:detail")
    moment = moment_of(request)
    initial = {"status": patient.status, "deceased_on": patient.deceased_on, "version": patient.version}
    form = StatusForm(request.POST or None, initial=initial)
    if request.POST and form.is_valid():
        try:
            changed = change_status(
                patient_id=pk,
                status=PatientStatus(form.cleaned_data["status"]),
                deceased_on=form.cleaned_data["deceased_on"],
                keep_bookings=form.cleaned_data["keep_bookings"],
                expected_version=form.cleaned_data["version"],
                by=staff(request),
                now=moment.now,
                today=moment.today,
            )
        except (BookingsStandError, StalePatientError) as refused:
            form.add_error(None, str(refused))
        except ValidationError as refused:
            form.add_error(None, refused)
        else:
            messages.success(request, f"{changed.name} is now {changed.get_status_display().lower()}.")
            return go(request, "patients:detail", pk)
    context = {"form": form, "patient": patient, "ahead": upcoming_bookings(patient, now=moment.now)}
    return _render(request, "patients/status.html", "patients/_status_form.html", context, refused=bool(request.POST))


# --- helpers of these views -------------------------------------------------------------------------------------------
def _render(
    request: HttpRequest, page: str, fragment: str, context: dict[str, Any], *, refused: bool
) -> HttpResponseBase:
    """The page, or its form alone for the side sheet; 422 when a form was refused."""
    return render(request, fragment if is_fragment(request) else page, context, status=422 if refused else 200)


def _form_page(
    request: HttpRequest, template: str, form: BaseForm, phones: BasePhoneFormSet, **more: Any
) -> HttpResponseBase:
    refused = bool(request.POST) and MORE_PHONES not in request.POST
    context = {"form": form, "phones": phones, "token": request.POST.get("token") or uuid4().hex} | more
    return render(request, template, context, status=422 if refused else 200)


def _patient_form(patient: Patient, moment: Moment, data: Any = None) -> PatientForm:  # noqa: ANN401 (a QueryDict or none)
    return PatientForm(data, instance=copy(patient), initial={"version": patient.version}, today=moment.today)


def _version(form: PatientForm) -> int:
    return form.cleaned_data.get("version") or 0


def _patient_data(form: PatientForm, phones: BasePhoneFormSet) -> PatientData:
    return PatientData(**form.values(), phones=tuple(PhoneData(**row) for row in phones.rows()))


def _phone_rows(patient: Patient) -> list[dict[str, Any]]:
    return [
        {"number": phone.number, "kind": phone.kind, "is_primary": phone.is_primary} for phone in patient.phones.all()
    ]


def _unconfirmed(request: HttpRequest, details: PatientData) -> list[Similar]:
    """Likely duplicates that the person has not seen and denied yet."""
    denied = set(request.POST.get("somebody_else", "").split(","))
    found: dict[int, Similar] = {}
    for number in [phone.number for phone in details.phones] or [""]:
        for one in similar_patients(
            given=details.given_name, family=details.family_name, birth_date=details.birth_date, phone=number
        ):
            found.setdefault(one.patient.pk, one)
    mark_reach([one.patient for one in found.values()], person=staff(request), now=timezone.now())
    return list(found.values()) if {str(pk) for pk in found} - denied else []


def _sent_key(request: HttpRequest, details: PatientData) -> str:
    """Stands for this form with exactly these words: Back and another name is another patient."""
    said = sha256(repr(details).encode()).hexdigest()
    return f"patients:add:{staff(request).pk}:{request.POST.get('token', '')[:40]}:{said}"


def _was_sent(request: HttpRequest, details: PatientData) -> bool:
    """A second click of the same form meets its own patient; that is no likely duplicate."""
    return bool(request.POST.get("token")) and cache.has_key(_sent_key(request, details))


def _registered(request: HttpRequest, details: PatientData, moment: Moment) -> HttpResponseBase:
    """The patient is registered once, also when the same form arrives twice."""
    key = _sent_key(request, details)
    if not cache.add(key, 0, SENT_FOR_SECONDS):
        earlier = cache.get(key)
        messages.info(request, "This form had been sent already; the patient was added once.")
        return go(request, "patients:detail", earlier) if earlier else go(request, "patients:list")
    try:
        patient = register_patient(data=details, by=staff(request), now=moment.now)
    except BaseException:
        cache.delete(key)
        raise
    cache.set(key, patient.pk, SENT_FOR_SECONDS)
    messages.success(request, f"{patient.name} was added as MRN {patient.mrn}.")
    return go(request, "patients:detail", patient.pk)


def _one_more_row(data: Any, moment: Moment) -> BasePhoneFormSet:  # noqa: ANN401 (a QueryDict)
    """The rows as they were typed, unjudged, and one more that is empty."""
    rows = [
        {
            "number": data.get(f"phones-{index}-number", ""),
            "kind": data.get(f"phones-{index}-kind", ""),
            "is_primary": f"phones-{index}-is_primary" in data,
            "DELETE": f"phones-{index}-DELETE" in data,
        }
        for index in range(min(_number(data.get("phones-TOTAL_FORMS")) or 0, MAX_PHONES))
    ]
    return phone_formset(initial=rows, region=moment.region)


def _stale_page(request: HttpRequest, stale: StalePatientError, mine: PatientData, moment: Moment) -> HttpResponseBase:
    """The form again: the other person's changes taken over, mine kept, the version renewed."""
    details, conflicts = reconcile(stale, mine)
    values = {name: getattr(details, name) for name in PatientForm.Meta.fields if name != "home_location"}
    values |= {"home_location": details.home_location_id, "version": stale.current.version}
    form = PatientForm(initial=values, today=moment.today)
    rows = [
        {"number": PhoneNumber.from_string(row.number), "kind": row.kind, "is_primary": row.is_primary}
        for row in details.phones
    ]
    context = {
        "form": form,
        "phones": phone_formset(initial=rows, region=moment.region),
        "patient": stale.current,
        "stale": stale,
        "conflicts": conflicts,
    }
    return render(request, "patients/edit.html", context, status=409)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 (an id, not a flood of digits)
