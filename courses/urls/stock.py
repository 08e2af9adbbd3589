"""Addresses of the log of the controlled drug."""

from django.urls import path

from courses.views import stock

app_name = "stock"
urlpatterns = [
    path("", stock.lots, name="lots"),
    path("lots/new/", stock.lot_new, name="lot_new"),
    path("lots/<int:lot_id>/", stock.lot, name="lot"),
    path("lots/<int:lot_id>/receive/", stock.receive, name="receive"),
    path("lots/<int:lot_id>/count/", stock.count, name="count"),
    path("lots/<int:lot_id>/destroy/", stock.destroy, name="destroy"),
    path("discrepancies/<int:discrepancy_id>/", stock.discrepancy, name="discrepancy"),
    path("discrepancies/<int:discrepancy_id>/sign/", stock.sign_discrepancy, name="sign_discrepancy"),
    path("discrepancies/<int:discrepancy_id>/settle/", stock.settle, name="settle"),
    path("inventory/", stock.inventory, name="inventory"),
    path("log.csv", stock.log_csv, name="log_csv"),
]
