"""Telephone numbers, languages and countries as people read them."""

from __future__ import annotations

import re

import phonenumbers
from django import template
from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from phonenumber_field.phonenumber import to_python

from patients.pure.regions import COUNTRIES, LANGUAGES

register = template.Library()


@register.filter(name="phone")
def phone_words(value: object) -> str:
    """A number as one dials it from here: national at home, with the country's code elsewhere."""
    number = to_python(value)
    if not number:
        return str(value or "")
    home = phonenumbers.country_code_for_region(settings.PHONENUMBER_DEFAULT_REGION)
    return str(number.as_national if number.country_code == home else number.as_international)


@register.filter
def tel(value: object) -> str:
    """The target of a `tel:` link."""
    number = to_python(value)
    return f"tel:{number.as_e164}" if number else ""


EMERGENCY = re.compile(r"(?<![\d#])(?:911|988|112|999)(?![\d#])")
"""Numbers of three digits that a phone dials: emergency, and the crisis line of the United States."""


@register.filter
def dialable(text: str) -> SafeString:
    """The text, escaped, with its telephone numbers as links: whoever needs them taps instead of typing."""
    text, region = str(text), settings.PHONENUMBER_DEFAULT_REGION  # str: it may be a lazy translation
    found = [(one.start(), one.end(), one.group()) for one in EMERGENCY.finditer(text)]
    for one in phonenumbers.PhoneNumberMatcher(text, region):
        number = phonenumbers.format_number(one.number, phonenumbers.PhoneNumberFormat.E164)
        found.append((one.start, one.end, number))
    parts, at = [], 0
    for start, end, number in sorted(found):
        if start < at:
            continue
        parts += [format_html("{}", text[at:start]), format_html('<a href="tel:{}">{}</a>', number, text[start:end])]
        at = end
    parts.append(format_html("{}", text[at:]))
    return format_html_join("", "{}", ((part,) for part in parts))


@register.filter
def language_name(code: str) -> str:
    return LANGUAGES.get(code, code)


@register.filter
def country_name(code: str) -> str:
    return COUNTRIES.get(code, code)
