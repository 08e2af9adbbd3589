"""Addresses of the chair board."""

from django.urls import path

from courses.views import board

app_name = "board"
urlpatterns = [
    path("", board.board, name="board"),
    path("wall/", board.wall, name="wall"),
    path("wall/put-up/", board.put_up, name="put_up"),
]
