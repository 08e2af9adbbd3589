"""HAM-D-17, the anchors of the form that the NINDS common data elements call public domain (clinical.md E2).

Hamilton M, J Neurol Neurosurg Psychiatry 1960;23:56–62. Weight loss (item 16) is rated by history. For clinicians.
"""

STEM = "Rate the past week from the interview."
_GRADES = ("Absent", "Mild", "Moderate", "Severe", "Incapacitating")
ITEMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Depressed mood (sadness, hopeless, helpless, worthless)",
        (
            "Absent",
            "These feeling states indicated only on questioning",
            "These feeling states spontaneously reported verbally",
            (
                "Communicates feeling states non-verbally, i.e. through facial expression, posture, voice and "
                "tendency to weep"
            ),
            (
                "Patient reports virtually only these feeling states in his/her spontaneous verbal and non-verbal "
                "communication"
            ),
        ),
    ),
    (
        "Feelings of guilt",
        (
            "Absent",
            "Self reproach, feels he/she has let people down",
            "Ideas of guilt or rumination over past errors or sinful deeds",
            "Present illness is a punishment. Delusions of guilt",
            "Hears accusatory or denunciatory voices and/or experiences threatening visual hallucinations",
        ),
    ),
    (
        "Suicide",
        (
            "Absent",
            "Feels life is not worth living",
            "Wishes he/she were dead or any thoughts of possible death to self",
            "Suicidal ideas or gesture",
            "Attempts at suicide (any serious attempt rates 4)",
        ),
    ),
    (
        "Insomnia: early in the night",
        (
            "No difficulty falling asleep",
            "Complains of occasional difficulty falling asleep, i.e. more than ½ hour",
            "Complains of nightly difficulty falling asleep",
        ),
    ),
    (
        "Insomnia: middle of the night",
        (
            "No difficulty",
            "Patient complains of being restless and disturbed during the night",
            "Waking during the night – any getting out of bed rates 2 (except for purposes of voiding)",
        ),
    ),
    (
        "Insomnia: early hours of the morning",
        (
            "No difficulty",
            "Waking in early hours of the morning but goes back to sleep",
            "Unable to fall asleep again if he/she gets out of bed",
        ),
    ),
    (
        "Work and activities",
        (
            "No difficulty",
            "Thoughts and feelings of incapacity, fatigue or weakness related to activities, work or hobbies",
            (
                "Loss of interest in activity, hobbies or work – either directly reported by the patient or indirect "
                "in listlessness, indecision and vacillation (feels he/she has to push self to work or activities)"
            ),
            (
                "Decrease in actual time spent in activities or decrease in productivity. Rate 3 if the patient does "
                "not spend at least three hours a day in activities (job or hobbies) excluding routine chores"
            ),
            (
                "Stopped working because of present illness. Rate 4 if patient engages in no activities except routine "
                "chores, or if patient fails to perform routine chores unassisted"
            ),
        ),
    ),
    (
        "Retardation (slowness of thought and speech, impaired ability to concentrate, decreased motor activity)",
        (
            "Normal speech and thought",
            "Slight retardation at interview",
            "Obvious retardation at interview",
            "Interview difficult",
            "Complete stupor",
        ),
    ),
    (
        "Agitation",
        (
            "None",
            "Fidgetiness",
            "Playing with hands, hair, etc.",
            "Moving about, can’t sit still",
            "Hand wringing, nail biting, hair-pulling, biting of lips",
        ),
    ),
    (
        "Anxiety (psychological)",
        (
            "No difficulty",
            "Subjective tension and irritability",
            "Worrying about minor matters",
            "Apprehensive attitude apparent in face or speech",
            "Fears expressed without questioning",
        ),
    ),
    (
        (
            "Anxiety (somatic): gastrointestinal – dry mouth, wind, indigestion, diarrhea, cramps, belching; "
            "cardiovascular – palpitations, headaches; respiratory – hyperventilation, sighing; urinary frequency; "
            "sweating"
        ),
        _GRADES,
    ),
    (
        "Somatic symptoms (gastrointestinal)",
        (
            "None",
            "Loss of appetite but eating without staff encouragement. Heavy feelings in abdomen",
            (
                "Difficulty eating without staff urging. Requests or requires laxatives or medication for bowels or "
                "medication for gastrointestinal symptoms"
            ),
        ),
    ),
    (
        "General somatic symptoms",
        (
            "None",
            "Heaviness in limbs, back or head. Backaches, headache, muscle aches. Loss of energy and fatigability",
            "Any clear-cut symptom rates 2",
        ),
    ),
    (
        "Genital symptoms (loss of libido, impaired sexual performance, menstrual disturbances)",
        ("Absent", "Mild", "Severe"),
    ),
    (
        "Hypochondriasis",
        (
            "Not present",
            "Self-absorption (bodily)",
            "Preoccupation with health",
            "Frequent complaints, requests for help, etc.",
            "Hypochondriacal delusions",
        ),
    ),
    (
        "Loss of weight, according to the patient",
        (
            "No weight loss",
            "Probable weight loss associated with present illness",
            "Definite (according to patient) weight loss",
        ),
    ),
    (
        "Insight",
        (
            "Acknowledges being depressed and ill",
            "Acknowledges illness but attributes cause to bad food, climate, overwork, virus, need for rest, etc.",
            "Denies being ill at all",
        ),
    ),
)
NOTICE = (
    "Hamilton Depression Rating Scale, 17 items: Hamilton M. J Neurol Neurosurg Psychiatry 1960;23:56–62. In the "
    "public domain (NINDS Common Data Elements)."
)
