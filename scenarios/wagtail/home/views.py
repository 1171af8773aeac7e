"""The search over all pages, as `wagtail start` writes it."""

# mypy: ignore-errors

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from wagtail.models import Page


def search(request: HttpRequest) -> HttpResponse:
    """Ten pages a page, best first."""
    query = request.GET.get("query", "")
    found = Page.objects.live().search(query) if query else Page.objects.none()
    results = Paginator(found, 10).get_page(request.GET.get("page"))
    return render(request, "home/search.html", {"query": query, "results": results})
