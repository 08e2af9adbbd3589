"""Side effects of the safety report, and what was withheld, paused and stopped because of them or of findings."""

from __future__ import annotations

from collections.abc import Iterator

from courses.models import AdverseSeverity
from courses.pure.adverse import BY_CODE, EFFECTS, label_of
from courses.pure.reports.contents import Chart, Drawing, Item, Missing, Table, Unit
from courses.pure.reports.rates import Quartiles, count_figure, median_figure, rate
from courses.pure.reports.safety import Stop, finding_label, stop_from
from courses.reports.rows import number, share_cell, text
from courses.reports.safety_facts import Facts

F1 = "Outcome terms, clinical reference F1"
EFFECTS_SEEN = "Side effects recorded in the infusion record"


# -- side effects ------------------------------------------------------------------------------------------------------
def effects(facts: Facts) -> Iterator[Item]:
    counts, given = facts.counts, facts.given
    silent = int(counts["nothing_entered"])
    yield rate(
        key="effects",
        title="Infusions with a side effect",
        definition="Infusions with at least one side effect, of the infusions given.",
        source=F1,
        n=counts["given_with_effects"],
        of=given,
        words=f"At {silent} of them neither an effect nor “none” was entered; they count as without." if silent else "",
    )
    if silent:
        yield rate(
            key="effects-asked",
            title="Where side effects were entered",
            definition="Infusions with at least one side effect, of the infusions at which somebody entered one or "
            "entered that there was none.",
            source=EFFECTS_SEEN,
            n=counts["given_with_effects"],
            of=given - silent,
            missing=(Missing("nothing entered", silent),),
            has_list=False,
        )
    yield rate(
        key="effect-patients",
        title="Patients with a side effect",
        definition="Patients with a side effect at one infusion of the period or more, of the patients with an "
        "infusion given in it.",
        source=F1,
        n=counts["patients_with_effects"],
        of=counts["patients"],
    )
    yield count_figure(
        key="serious",
        title="Serious side effects",
        definition="Side effects that were marked as serious; each effect counts.",
        source=EFFECTS_SEEN,
        n=counts["serious"],
        words=f"{counts['transferred']} sent to hospital" if counts["transferred"] else "",
    )
    seen = facts.rows["effects"]
    yield Chart(
        table=Table(
            key="effect-severity",
            title="Side effects by kind and severity",
            definition="How often each side effect was recorded, by its severity.",
            source=EFFECTS_SEEN,
            columns=(
                text("effect", "Side effect"),
                number("mild", "Mild"),
                number("moderate", "Moderate"),
                number("severe", "Severe"),
            ),
            rows=tuple((label_of(row["code"]), row["mild"], row["moderate"], row["severe"]) for row in seen),
            row_lists=tuple(f"effect-{row['code']}" for row in seen),
        ),
        drawing=Drawing.STACK,
        y_title="Times recorded",
    )
    yield _effects_table(facts)
    yield _worst(facts)


def _effects_table(facts: Facts) -> Table:
    """Every effect that was seen, and every one for which a published number exists, also when it was not seen."""
    found = {row["code"]: row for row in facts.rows["effects"]}
    unseen = [one.code for one in EFFECTS if one.expected and one.code not in found]
    nothing = {"given": 0, "patients": 0, "serious": 0}
    rows = [(code, found.get(code, nothing)) for code in (*found, *unseen)]
    patients = facts.counts["patients"]
    return Table(
        key="effect-kinds",
        title="Side effects by kind",
        definition="Infusions and patients with this side effect, as a share of the infusions given and of the "
        "patients who had one.",
        source=F1,
        columns=(
            text("effect", "Side effect"),
            number("infusions", "Infusions"),
            number("of_infusions", "Of infusions", Unit.PERCENT),
            number("patients", "Patients"),
            number("of_patients", "Of patients", Unit.PERCENT),
            number("serious", "Serious"),
            text("published", "Published, with setting"),
        ),
        rows=tuple(
            (
                label_of(code),
                row["given"],
                share_cell(row["given"], facts.given),
                row["patients"],
                share_cell(row["patients"], patients),
                row["serious"],
                BY_CODE[code].expected if code in BY_CODE else "",
            )
            for code, row in rows
        ),
        row_lists=tuple(f"effect-{code}" if row["given"] else "" for code, row in rows),
        note="Published shares are of patients in trials, asked at each visit (clinical reference F2): L1 esketamine, "
        "P4 intravenous ketamine, P32 a review of 60 studies. They were not counted as here.",
    )


def _worst(facts: Facts) -> Table:
    found = {row["severity"]: row["given"] for row in facts.rows["worst"]}
    without = facts.given - facts.counts["given_with_effects"]
    counted = [(label, found.get(value, 0)) for value, label in AdverseSeverity.choices]
    return Table(
        key="worst",
        title="Infusions by their worst side effect",
        definition="Each infusion given counts once, by the most severe side effect at it.",
        source=EFFECTS_SEEN,
        columns=(
            text("severity", "Worst side effect"),
            number("infusions", "Infusions"),
            number("share", "Share", Unit.PERCENT),
        ),
        rows=tuple((str(label), n, share_cell(n, facts.given)) for label, n in (("None", without), *counted)),
        row_lists=("", *(f"worst-{value}" if found.get(value) else "" for value in AdverseSeverity.values)),
    )


# -- holds -------------------------------------------------------------------------------------------------------------
def holds(facts: Facts) -> Iterator[Item]:
    withheld, decided = facts.counts["withheld"], facts.one("decided")
    yield rate(
        key="withheld",
        title="Infusions withheld",
        definition="Visits at which the infusion was withheld for a clinical reason, of those that ended with the "
        "infusion given or withheld. No-shows and cancellations are no holds: they stand in Operations.",
        source=F1,
        n=withheld,
        of=withheld + facts.given,
    )
    yield rate(
        key="overridden",
        title="Given in spite of a hard finding",
        definition="Infusions given after a prescriber overrode a finding that asked to hold, with a reason; of the "
        "infusions given.",
        source="Check-in rules, clinical reference D1, D3, R9",
        n=decided["hard"],
        of=facts.given,
    )
    yield rate(
        key="acknowledged",
        title="Given after a soft finding",
        definition="Infusions given after somebody acknowledged a finding that asks for attention; of the infusions "
        "given.",
        source="Check-in rules, clinical reference D1, D3, R9",
        n=decided["soft"],
        of=facts.given,
    )
    findings = facts.rows["findings"]
    yield Table(
        key="findings",
        title="Findings that were decided about, by rule",
        definition="Visits at which somebody let a finding of the check-in through: acknowledged (soft) or overridden "
        "by a prescriber (hard). “Given”: the infusion was given that day.",
        source="Check-in rules, clinical reference D1, D3, R9",
        columns=(
            text("rule", "Finding"),
            number("soft", "Acknowledged (soft)"),
            number("hard", "Overridden (hard)"),
            number("given", "Given"),
        ),
        rows=tuple((finding_label(row["code"]), row["soft"], row["hard"], row["given"]) for row in findings),
        row_lists=tuple(f"finding-{row['code']}" for row in findings),
    )
    yield Table(
        key="withheld-reasons",
        title="Why infusions were withheld",
        definition="Reasons as they were entered, the 30 most frequent.",
        source="Infusion visits",
        columns=(text("reason", "Reason"), number("n", "Visits")),
        rows=tuple((row["reason"], row["n"]) for row in facts.rows["withheld"]),
    )


# -- pauses and stops --------------------------------------------------------------------------------------------------
def stops(facts: Facts) -> Iterator[Item]:
    stops = [stop_from(row, now=facts.now) for row in facts.rows["stops"]]
    effects = [one for one in stops if one.for_effect]
    yield rate(
        key="stopped",
        title="Stopped for a side effect",
        definition="Infusions stopped before their planned end because of a side effect, of the infusions given.",
        source=F1,
        n=len(effects),
        of=facts.given,
    )
    yield rate(
        key="stopped-other",
        title="Stopped for another reason",
        definition="Infusions stopped before their planned end for another reason than a side effect, of the "
        "infusions given.",
        source=F1,
        n=len(stops) - len(effects),
        of=facts.given,
    )
    yield rate(
        key="paused",
        title="Infusions paused",
        definition="Infusions with at least one pause, of the infusions given.",
        source="Taps of the infusion record",
        n=facts.one("paused")["given"],
        of=facts.given,
    )
    known = [one.share for one in stops if one.share is not None]
    yield median_figure(
        key="stopped-share",
        title="Delivered when it was stopped",
        definition="Milligrams delivered until the stop as a share of the dose ordered (mg × minutes run ÷ minutes "
        "planned), median of the infusions stopped.",
        source="clinical reference R8, F1",
        unit=Unit.PERCENT,
        spread=Quartiles.of(known),
        missing=(Missing("no order with the start", len(stops) - len(known)),),
        has_list=False,
    )
    yield _stops_table(stops)
    yield Table(
        key="pauses",
        title="Why infusions were paused",
        definition="Reasons as they were entered, the 30 most frequent; each pause counts.",
        source="Taps of the infusion record",
        columns=(text("reason", "Reason"), number("n", "Pauses"), number("infusions", "Infusions")),
        rows=tuple((row["reason"], row["n"], row["given"]) for row in facts.rows["pauses"]),
    )


def _stops_table(stops: list[Stop]) -> Table:
    """By reason, the most frequent first."""
    reasons: dict[tuple[bool, str], list[Stop]] = {}
    for one in stops:
        reasons.setdefault((one.for_effect, one.reason.strip()), []).append(one)
    ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), not item[0][0], item[0][1]))
    return Table(
        key="stop-reasons",
        title="Why infusions were stopped, and what was delivered",
        definition="Reasons as they were entered, with the median of what was delivered until the stop.",
        source="clinical reference F1, R8",
        columns=(
            text("reason", "Reason"),
            text("effect", "For a side effect"),
            number("n", "Infusions"),
            number("mg", "Delivered", Unit.MG),
            number("share", "Of the dose", Unit.PERCENT),
        ),
        rows=tuple(
            (
                reason,
                "Yes" if for_effect else "No",
                len(found),
                Quartiles.of([one.given.delivered_mg for one in found if one.given]).middle,
                Quartiles.of([one.share for one in found if one.share is not None]).middle,
            )
            for (for_effect, reason), found in ordered[:30]
        ),
    )
