"""Where the providers call us: answers and receipts of text messages (Twilio), receipts of e-mail (django-anymail).

No person opens these addresses. What counts is the signature; without it nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from clinic.edge.limits import client_address, is_over_limit, over_limit
from clinic.edge.numbers import number_in
from patients.pure.messages.answers import Word
from patients.services.messages.incoming import Answer, receive
from patients.services.messages.receipts import note_mail, note_sms

LARGEST = 16_384
"""Bytes. The longest text message that a telephone sends is 670 signs; each is at most 12 bytes when escaped."""
LARGEST_BATCH = 1_048_576
"""Bytes. Providers of e-mail tell of many messages at once."""
FORGERIES = "30/10m"
"""So many refused calls from one address, then it is not looked at for a while."""
REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
GROUP = "provider hooks"
TRACKING = {
    "brevo": "Brevo",
    "mailersend": "MailerSend",
    "mailgun": "Mailgun",
    "mailjet": "Mailjet",
    "mailtrap": "Mailtrap",
    "postmark": "Postmark",
    "resend": "Resend",
    "sendgrid": "SendGrid",
    "sparkpost": "SparkPost",
}
"""Provider -> how django-anymail calls its view of receipts."""
OWN_SIGNATURE = {"mailgun": "MAILGUN_WEBHOOK_SIGNING_KEY", "mailersend": "MAILERSEND_SIGNING_SECRET"}
"""Providers that sign what they send; the others know a name and a secret."""

View = Callable[..., HttpResponseBase]


def from_provider(*, largest: int) -> Callable[[View], View]:
    """The view is posted to, with at most so many bytes, by an address that did not forge often."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @require_POST
        @wraps(view)
        def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            length = number_in(request.META.get("CONTENT_LENGTH") or "0")
            if length is None or length > largest:
                return HttpResponse(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            who = client_address(request)
            if is_over_limit(request, group=GROUP, rate=FORGERIES, key=who):
                return HttpResponse(status=HTTPStatus.TOO_MANY_REQUESTS)
            answer = view(request, **kwargs)
            if answer.status_code in REFUSED:
                over_limit(request, group=GROUP, rate=FORGERIES, key=who)
            return answer

        return guarded

    return decorate


@from_provider(largest=LARGEST)
def incoming(request: HttpRequest) -> HttpResponse:
    """Somebody answered a text message."""
    refused = _not_twilio(request)
    if refused:
        return refused
    form = request.POST
    number, sender = form.get("MessageSid", "").strip(), form.get("From", "").strip()
    if not number or not sender:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    words = {"STOP": Word.STOP, "START": Word.START, "HELP": Word.HELP}
    answer = Answer(
        provider_id=number,
        from_number=sender,
        to_number=form.get("To", ""),
        text=form.get("Body", ""),
        word=words.get(form.get("OptOutType", "").upper()),
    )
    return _twiml(receive(answer, now=timezone.now()))


@from_provider(largest=LARGEST)
def status(request: HttpRequest, uid: UUID) -> HttpResponse:
    """What became of a text message. One that we do not know is answered alike: there is nothing to repeat."""
    refused = _not_twilio(request)
    if refused:
        return refused
    form = request.POST
    number, said = form.get("MessageSid", "").strip(), form.get("MessageStatus", "").strip().lower()
    if not number or not said:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    code = form.get("ErrorCode", "").strip()
    code = code if code.isascii() and code.isdigit() and len(code) < 8 else ""  # noqa: PLR2004 (they have five digits)
    note_sms(uid, provider_id=number, status=said, code=code, to=form.get("To", ""), now=timezone.now())
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@from_provider(largest=LARGEST_BATCH)
def mail(request: HttpRequest) -> HttpResponseBase:
    """What became of e-mails: django-anymail reads it, and tells `on_mail_event`."""
    name = settings.EMAIL_PROVIDER
    is_guarded = settings.ANYMAIL.get("WEBHOOK_SECRET") or settings.ANYMAIL.get(OWN_SIGNATURE.get(name, ""))
    if name not in TRACKING or not is_guarded:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    view = import_string(f"anymail.webhooks.{name}.{TRACKING[name]}TrackingWebhookView").as_view()
    try:
        answer: HttpResponseBase = view(request)
    except AnymailWebhookValidationFailure:
        return HttpResponse(status=HTTPStatus.FORBIDDEN)
    except (AnymailError, SuspiciousOperation, ImproperlyConfigured, *JUNK):
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    return answer


JUNK = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, AssertionError)
"""What django-anymail raises over a body that is not what the provider sends."""


def on_mail_event(*, event: Any, esp_name: str, **_: Any) -> None:  # noqa: ANN401 (django-anymail has no types)
    """Receiver of django-anymail's ``tracking`` signal."""
    note_mail(
        provider_id=str(event.message_id or ""),
        provider=str(esp_name).lower()[:20],
        event=str(event.event_type),
        to=str(event.recipient or ""),
        why=_why(event),
        now=timezone.now(),
    )


def _why(event: Any) -> str:  # noqa: ANN401 (django-anymail has no types)
    """In words for staff; what a mail server said is left out, it repeats addresses."""
    words = {
        "complained": "The reader marked it as unwanted.",
        "rejected": "The provider does not send to this address any more.",
        "bounced": "The address does not take mail.",
    }
    return words.get(str(event.event_type), "It did not arrive.")


def _not_twilio(request: HttpRequest) -> HttpResponse | None:
    """What is answered to everybody but Twilio."""
    if not settings.TWILIO_ACCOUNT_SID:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    signature = request.headers.get("X-Twilio-Signature", "")
    validator = RequestValidator(settings.TWILIO_AUTH_TOKEN)
    # Twilio signs the address that it was given: that of the settings, or the one that our proxy says it called.
    addresses = (settings.CADENCE_BASE_URL + request.get_full_path(), request.build_absolute_uri())
    if signature and any(validator.validate(address, request.POST, signature) for address in addresses):
        return None
    return HttpResponse(status=HTTPStatus.FORBIDDEN)


def _twiml(reply: str) -> HttpResponse:
    response = MessagingResponse()
    if reply:
        response.message(reply)
    return HttpResponse(str(response), content_type="text/xml; charset=utf-8")
