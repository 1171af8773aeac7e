"""The addresses of the site: Wagtail's own, and the search."""

# mypy: ignore-errors

from django.urls import include, path
from home import views
from wagtail import urls as pages
from wagtail.admin import urls as admin

urlpatterns = [
    path("admin/", include(admin)),
    path("search/", views.search, name="search"),
    path("", include(pages)),
]
