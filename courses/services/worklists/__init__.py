"""Worklists: what waits for an act, opened from the state of the courses and ended only by an act.

Each kind of task has a module here with two functions::

    def wanted(now: datetime, course_id: int | None) -> Iterable[Wanted]: ...
    def settled(tasks: Sequence[Task], now: datetime) -> Mapping[int, str]: ...

``wanted`` says for which conditions a task is to be there (of all open courses, or of one), in a constant number of
queries. ``settled`` says of open tasks whose condition is gone by which act that came, in a sentence, by the task's id;
one that it leaves out stays open. ``engine.sweep`` brings both together.

A sweep of all courses looks at plain numbers before it reads and judges a course in full (``glance``), and what several
kinds need is read once (``once``).
"""
