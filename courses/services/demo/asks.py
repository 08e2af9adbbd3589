"""The requests of the demo clinic, one in each state. Plain data about invented people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from patients.models import CloseReason, ContactOutcome, DangerAnswer, RequestSource
from patients.pure.indications import Indication

DOWNTOWN, LAKESIDE = 0, 1


class Becomes(StrEnum):
    """What had become of a request by the time that the demo is loaded."""

    NEW = "new"
    CONTACTED = "contacted"
    BOOKED = "booked"
    SEEN = "seen"
    DECIDED = "decided"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, ``hours`` before now."""

    hours: float
    given_name: str
    family_name: str
    born: date
    becomes: Becomes = Becomes.NEW
    source: RequestSource = RequestSource.WEB
    site: int = DOWNTOWN
    helps: tuple[Indication, ...] = (Indication.TRD,)
    message: str = ""
    referrer: str = ""
    danger: DangerAnswer = DangerAnswer.NO
    contacts: tuple[ContactOutcome, ...] = ()
    closed_as: CloseReason | None = None
    outcome: str = ""  # of the decision
    is_video: bool = False


_B, _S, _C = Becomes, RequestSource, ContactOutcome
ASKS = (
    Ask(
        0.2,
        "Priya",
        "Raman",
        date(1994, 2, 11),
        message="I cannot go on like this. Please call me today.",
        danger=DangerAnswer.YES,
    ),
    Ask(1.5, "Marcus", "Bell", date(1981, 9, 30), helps=(Indication.PTSD,), message="Two tours, nothing has helped."),
    Ask(
        4,
        "Helena",
        "Sorensen",
        date(1968, 6, 2),
        source=_S.REFERRAL,
        helps=(Indication.MDD,),
        referrer="Dr. Lena Fischer, Midtown Psychiatry",
    ),
    Ask(29, "Dario", "Conti", date(1990, 12, 5), helps=(Indication.ANXIETY,), message="Mornings only, please."),
    Ask(7, "Ruth", "Castellano", date(1975, 4, 18), site=LAKESIDE, message="My sister was treated with you."),
    Ask(52, "June", "Abara", date(1987, 7, 21), _B.CONTACTED, contacts=(_C.NO_ANSWER, _C.VOICEMAIL)),
    Ask(46, "Walter", "Lindgren", date(1959, 1, 9), _B.CONTACTED, source=_S.PHONE, helps=(Indication.PAIN,)),
    Ask(75, "Noor", "Haddad", date(1998, 10, 3), _B.CONTACTED, contacts=(_C.WRONG_NUMBER, _C.WROTE)),
    Ask(60, "Tobias", "Weller", date(1979, 3, 26), _B.CONTACTED, site=LAKESIDE, contacts=(_C.REACHED,)),
    Ask(80, "Camille", "Duarte", date(1992, 5, 14), _B.BOOKED, contacts=(_C.REACHED,)),
    Ask(96, "Isaac", "Thornton", date(1984, 8, 8), _B.BOOKED, contacts=(_C.VOICEMAIL, _C.REACHED), is_video=True),
    Ask(90, "Selma", "Aydin", date(1971, 11, 23), _B.BOOKED, site=LAKESIDE, contacts=(_C.REACHED,)),
    Ask(200, "Felix", "Marchetti", date(1989, 6, 17), _B.SEEN, contacts=(_C.REACHED,), helps=(Indication.BIPOLAR,)),
    Ask(210, "Amara", "Nwosu", date(1996, 1, 30), _B.SEEN, site=LAKESIDE, contacts=(_C.REACHED,)),
    Ask(250, "Gwen", "Prichard", date(1963, 2, 20), _B.DECIDED, contacts=(_C.REACHED,), outcome="fit"),
    Ask(260, "Rafael", "Ibarra", date(1986, 9, 12), _B.DECIDED, contacts=(_C.REACHED,), outcome="conditions"),
    Ask(240, "Nadia", "Petrova", date(1977, 12, 1), _B.DECIDED, contacts=(_C.REACHED,), outcome="not_now"),
    Ask(270, "Oscar", "Whitfield", date(1950, 5, 6), _B.DECIDED, contacts=(_C.REACHED,), outcome="no"),
    Ask(31, "Best", "Offers", date(1980, 1, 1), _B.CLOSED, message="Buy followers", closed_as=CloseReason.SPAM),
    Ask(300, "Lotte", "Brandt", date(1993, 3, 3), _B.CLOSED, contacts=(_C.REACHED,), closed_as=CloseReason.DECLINED),
    Ask(
        320,
        "Omar",
        "Siddiqui",
        date(1982, 10, 10),
        _B.CLOSED,
        contacts=(_C.NO_ANSWER, _C.VOICEMAIL, _C.VOICEMAIL),
        closed_as=CloseReason.NOT_REACHED,
    ),
)
