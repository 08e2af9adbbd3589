"""The first step of a new clinic that belongs to treatment: its protocols."""

from __future__ import annotations

from django.db.models import Count, Q
from django.urls import reverse

from clinic.services.welcome import Facts, Step
from courses.models import ProtocolVersion, VersionStatus


def protocols_step(facts: Facts) -> Step:  # noqa: ARG001 (as every step is asked; protocols are of all locations)
    """One query. Drafts are a manager's part; publishing them is a clinician's."""
    counts = ProtocolVersion.objects.aggregate(
        published=Count("pk", filter=Q(status=VersionStatus.PUBLISHED)),
        drafts=Count("pk", filter=Q(status=VersionStatus.DRAFT)),
    )
    published, drafts = counts["published"], counts["drafts"]
    if published:
        said = f"{published} published" + (f", {drafts} wait for a clinician." if drafts else ".")
    elif drafts:
        said = f"{drafts} chosen. Waits for a clinician, who reads and publishes {'it' if drafts == 1 else 'them'}."
    else:
        said = "None yet: no series can be planned."
    return Step(
        key="protocols",
        title="Protocols",
        text="Choose from those that come with Cadence, from published trials. A clinician reads, changes, approves.",
        said=said,
        url=reverse("courses:protocols" if published or drafts else "courses:protocols_shipped"),
        is_done=bool(published or drafts),
        waits=bool(drafts and not published),
    )
