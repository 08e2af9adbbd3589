"""What an answer by text message means: one of the words that the field agreed on, or something for a person.

Only a whole message counts: "Stop by at three?" is no STOP. Source: 47 CFR 64.1200(a)(10) names stop, quit, end,
revoke, opt out, cancel and unsubscribe, and any other words that say the same; CTIA Messaging Principles 5.1 adds
HELP. The Spanish words are those in use in the United States.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum


class Word(StrEnum):
    """What was said."""

    STOP = "stop"
    CANCEL = "cancel"
    """Means stop by law, and may well mean the visit: texts end, and a person asks."""
    START = "start"
    CONFIRM = "confirm"
    HELP = "help"
    OTHER = "other"


_WORDS = {
    Word.STOP: (
        *("stop", "stop all", "stopall", "unsubscribe", "end", "quit", "revoke", "opt out", "optout", "stop please"),
        *(
            "please stop",
            "stop texting me",
            "stop texting",
            "stop texts",
            "stop messages",
            "no more texts",
            "remove me",
        ),
        *("alto", "parar", "pare", "detener", "baja", "dar de baja", "no mas", "no mas mensajes", "no mas textos"),
        *("no me envien mas mensajes", "desuscribir", "terminar"),
    ),
    Word.CANCEL: ("cancel", "cancelar", "cancela"),
    Word.START: ("start", "unstop", "opt in", "optin", "subscribe", "resume", "iniciar", "empezar", "comenzar", "alta"),
    Word.CONFIRM: (
        *("c", "y", "yes", "yes please", "confirm", "confirmed", "i confirm", "yes confirm", "yes i confirm"),
        *("si", "confirmar", "confirmo", "confirmado", "confirmada", "si confirmo"),
    ),
    Word.HELP: ("help", "info", "ayuda", "informacion"),
}
_MEANINGS = {said: word for word, all_said in _WORDS.items() for said in all_said}
LONGEST = max(map(len, _MEANINGS))


def meaning_of(text: str) -> Word:
    """The word that the whole text is, whatever its case, accents and punctuation."""
    if len(text) > 4 * LONGEST:
        return Word.OTHER
    return _MEANINGS.get(_plain(text), Word.OTHER)


def _plain(text: str) -> str:
    """Letters only: ¡Sí, confirmo! becomes "si confirmo"."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return " ".join(re.sub(r"[^\w]+|_", " ", letters).split())
