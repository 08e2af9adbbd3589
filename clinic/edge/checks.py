"""System checks of our own: what the environment reader cannot see, because it is on disk or in other settings."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 (Django's names)

from clinic.adapters.catalogs import catalogs_behind


@register(Tags.staticfiles)
def front_end_packages(**_: Any) -> list[CheckMessage]:
    """The npm packages that pages load are installed; without them pages come without style and script."""
    missing = sorted(prefix for prefix, folder in settings.VENDOR_FOLDERS.items() if not folder.is_dir())
    if not missing:
        return []
    kind, number = (Error, "E001") if settings.PRODUCTION else (Warning, "W001")
    return [
        kind(
            f"The front-end packages are not installed ({', '.join(missing)}).",
            hint="Run `make setup`; it installs what package-lock.json names.",
            id=f"clinic.{number}",
        )
    ]


@register(Tags.translation)
def compiled_words(**_: Any) -> list[CheckMessage]:
    """The words of other languages are compiled as they stand; without that patients read English."""
    behind = [str(path.relative_to(settings.BASE_DIR)) for path in catalogs_behind(settings.BASE_DIR)]
    if not behind:
        return []
    kind, number = (Error, "E003") if settings.PRODUCTION else (Warning, "W003")
    return [
        kind(
            f"Words of other languages are not compiled ({', '.join(behind)}).",
            hint="Run `make setup`; it compiles them.",
            id=f"clinic.{number}",
        )
    ]


@register(Tags.security, deploy=True)
def content_policy(**_: Any) -> list[CheckMessage]:
    """The content security policy lets no inline script or style run."""
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    loose = sorted(name for name, sources in directives.items() if any("unsafe" in str(source) for source in sources))
    if not loose:
        return []
    return [Error(f"CONTENT_SECURITY_POLICY allows unsafe sources in {', '.join(loose)}.", id="clinic.E002")]
