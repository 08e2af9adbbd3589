"""People: accounts and roles."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Concat
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic.adapters.accounts import with_second_factor
from clinic.edge.access import requires
from clinic.edge.access import staff as signed_in
from clinic.edge.htmx import go
from clinic.edge.links import visit_rows
from clinic.edge.lists import listing
from clinic.forms.errors import show_refusal
from clinic.forms.setup import StaffFilterForm, StaffForm
from clinic.models import Location, ShiftException, User
from clinic.models.users import reach_facts
from clinic.pure.roles import Can
from clinic.pure.week import week_in_words
from clinic.services import shifts, staff
from clinic.services.hours import BookingsInTheWayError
from clinic.services.staff import StaffData
from clinic.views.asking import ask_about, keeps_bookings

INVITATION = "invitation_link"


@require_GET
@requires(Can.EDIT_SETUP)
def staff_list(request: HttpRequest) -> HttpResponse:
    form = StaffFilterForm(request.GET)
    people = _filtered(form) if form.is_valid() else User.objects.none()
    rows = listing(
        request,
        with_second_factor(people).annotate(**reach_facts()).select_related("resource", "home_location"),
        sorts={"name": ("last_name", "first_name"), "username": ("username",), "seen": ("last_login",)},
        default="name",
    )
    names = dict(Location.objects.values_list("pk", "name"))
    where = [(one, [names[pk] for pk in sorted(one.reach)] if one.reach is not None else []) for one in rows.rows]
    return render(request, "clinic/staff.html", {"form": form, "listing": rows, "rows": where})


def _filtered(form: StaffFilterForm) -> QuerySet[User]:
    data = form.cleaned_data
    people = User.objects.all()
    if data["state"] != "all":
        people = people.filter(is_active=data["state"] != "off")
    if data["role"]:
        people = people.filter(roles__contains=[data["role"]])
    for word in data["q"].split():
        whole = Concat("first_name", Value(" "), "last_name", Value(" "), "username", "email", output_field=TextField())
        people = people.annotate(whole=whole).filter(whole__icontains=word)
    return people


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def staff_add(request: HttpRequest) -> HttpResponseBase:
    form = StaffForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = staff.add_staff(data=StaffData(**form.cleaned_data), by=signed_in(request), now=timezone.now())
        except ValidationError as error:
            show_refusal(form, error)
        else:
            request.session[INVITATION] = [person.pk, _link_for(request, person)]
            messages.success(request, f"{person} is added. Give them the link below; with it they choose a password.")
            return go(request, "setup:person", person.pk)
    return render(request, "clinic/staff_form.html", {"form": form}, status=422 if form.errors else 200)


def _link_for(request: HttpRequest, person: User) -> str:
    """A link with which the person chooses a password: once, within three days."""
    key = f"{user_pk_to_url_str(person)}-{default_token_generator.make_token(person)}"
    return request.build_absolute_uri(get_adapter(request).get_reset_password_from_key_url(key))


@require_http_methods(["GET", "POST"])
@requires(Can.EDIT_SETUP)
def staff_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    person = get_object_or_404(User.objects.select_related("resource"), pk=pk)
    known = {name: getattr(person, name) for name in StaffForm.base_fields if name not in ("lanes", "locations")}
    known |= {"lanes": person.resource.lanes if person.resource else 3, "locations": person.locations.all()}
    form = StaffForm(request.POST or None, initial=known)
    if request.method == "POST" and form.is_valid():
        data = StaffData(**form.cleaned_data)
        try:
            staff.change_staff(person=person, data=data, by=signed_in(request), now=timezone.now())
        except ValidationError as error:
            show_refusal(form, error)
        except BookingsInTheWayError as error:
            return ask_about(
                request,
                error.bookings,
                title=f"{person} is booked for more than that",
                text="Move these visits to somebody else first; then the role or the number of chairs can change.",
                back_url=request.path,
            )
        else:
            messages.success(request, f"{person} is saved.")
            return go(request, "setup:person", person.pk)
    facts = {"form": form, "person": User.objects.get(pk=pk)}
    return render(request, "clinic/staff_form.html", facts, status=422 if form.errors else 200)


@require_GET
@requires(Can.EDIT_SETUP)
def person(request: HttpRequest, pk: int) -> HttpResponse:
    people = User.objects.with_reach().select_related("resource", "home_location")
    who = get_object_or_404(with_second_factor(people), pk=pk)
    now = timezone.now()
    link = request.session.get(INVITATION) or [None, ""]
    if link[0] == pk:
        del request.session[INVITATION]
    exceptions = ShiftException.objects.filter(user=who, day__gte=now.date()).select_related("location")
    facts = {
        "person": who,
        "invitation": link[1] if link[0] == pk else "",
        "patterns": [
            (place, week_in_words(week, none="off") if any(week.values()) else [])
            for place, week in shifts.patterns_of(who, on=now.date()).items()
        ],
        "exceptions": exceptions[:50],
        "sessions": staff.sessions_of(who, now=now)[:20],
        "visits": visit_rows(shifts.unattended(who, now=now)[:100]),
        "has_locations": Location.objects.active().exists(),
        "where": [place.name for place in Location.objects.all() if place.pk in who.reach] if who.reach else [],
    }
    return render(request, "clinic/person.html", facts)


@require_POST
@requires(Can.EDIT_SETUP)
def invite(request: HttpRequest, pk: int) -> HttpResponseBase:
    who = get_object_or_404(User, pk=pk, is_active=True)
    request.session[INVITATION] = [who.pk, _link_for(request, who)]
    return go(request, "setup:person", who.pk)


@require_POST
@requires(Can.EDIT_SETUP)
def end_sessions(request: HttpRequest, pk: int) -> HttpResponseBase:
    who = get_object_or_404(User, pk=pk)
    staff.sign_out_everywhere(who, but=request.session.session_key or "")
    messages.success(request, f"{who} is signed out everywhere" + (" else." if who == request.user else "."))
    return go(request, "setup:person", pk)


@require_POST
@requires(Can.EDIT_SETUP)
def forget_second_factor(request: HttpRequest, pk: int) -> HttpResponseBase:
    who = get_object_or_404(User, pk=pk)
    try:
        staff.forget_second_factor(person=who, by=signed_in(request))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, f"The second factor of {who} is taken off, and they are signed out everywhere.")
    return go(request, "setup:person", pk)


@require_POST
@requires(Can.EDIT_SETUP)
def deactivate(request: HttpRequest, pk: int) -> HttpResponseBase:
    who = get_object_or_404(User.objects.select_related("resource"), pk=pk)
    back = reverse("setup:person", args=[pk])
    try:
        left = staff.deactivate(
            person=who, by=signed_in(request), now=timezone.now(), keep_bookings=keeps_bookings(request)
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    except BookingsInTheWayError as error:
        return ask_about(
            request,
            error.bookings,
            title=f"{who} has visits booked",
            text="Go back and move them first, or switch the account off now and move them after.",
            back_url=back,
            go_ahead="Switch off, and keep the visits to move",
        )
    else:
        rest = " Their visits stand below until somebody moves them." if left else ""
        messages.success(request, f"{who} is signed out everywhere and cannot sign in any more.{rest}")
    return go(request, back)


@require_POST
@requires(Can.EDIT_SETUP)
def reactivate(request: HttpRequest, pk: int) -> HttpResponseBase:
    who = get_object_or_404(User.objects.select_related("resource"), pk=pk)
    staff.reactivate(person=who, by=signed_in(request), now=timezone.now())
    messages.success(request, f"{who} can sign in again.")
    return go(request, "setup:person", pk)
