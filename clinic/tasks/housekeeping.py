"""What has to be tidied now and then."""

from datetime import timedelta

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from clinic.models import CaughtMail

CAUGHT_KEPT = timedelta(days=30)


@shared_task
def clear_sessions() -> None:
    """Sessions that have run out are gone from the database."""
    call_command("clearsessions")


@shared_task
def forget_caught_mail() -> int:
    """Messages that this installation caught instead of sending them are gone after a month; returns how many."""
    return CaughtMail.objects.filter(at__lt=timezone.now() - CAUGHT_KEPT).delete()[0]
