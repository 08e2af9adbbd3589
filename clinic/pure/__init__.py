"""Plain Python that the place needs: no Django, no database, no clock."""
