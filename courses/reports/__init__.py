"""The reports: reads what is stored and answers with the plain values of ``courses.pure.reports``; writes nothing."""
