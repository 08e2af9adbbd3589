"""What has to be tidied now and then."""

from celery import shared_task
from django.core.management import call_command


@shared_task
def clear_sessions() -> None:
    """Sessions that have run out are gone from the database."""
    call_command("clearsessions")
