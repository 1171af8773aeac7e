"""A magazine: sections, and in them articles with an author and a picture."""

# mypy: ignore-errors

from typing import ClassVar

from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from wagtail.admin.panels import FieldPanel
from wagtail.fields import RichTextField
from wagtail.models import Page
from wagtail.search import index
from wagtail.snippets.models import register_snippet


@register_snippet
class Author(models.Model):
    """Who wrote an article."""

    name = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.name


class HomePage(Page):
    """The front page: all sections, and the latest articles."""

    def get_context(self, request: HttpRequest) -> dict[str, object]:
        sections = SectionPage.objects.child_of(self).live().in_menu()
        articles = latest(ArticlePage.objects.live())[:10]
        return super().get_context(request) | {"sections": sections, "articles": articles}


class SectionPage(Page):
    """Twenty articles a page, latest first."""

    def get_context(self, request: HttpRequest) -> dict[str, object]:
        articles = latest(ArticlePage.objects.child_of(self).live())
        return super().get_context(request) | {"articles": Paginator(articles, 20).get_page(request.GET.get("page"))}


class ArticlePage(Page):
    """One article."""

    date = models.DateField()
    author = models.ForeignKey(Author, on_delete=models.PROTECT)
    picture = models.ForeignKey("wagtailimages.Image", on_delete=models.PROTECT)
    body = RichTextField()

    content_panels: ClassVar = [*Page.content_panels, *map(FieldPanel, ("date", "author", "picture", "body"))]
    search_fields: ClassVar = [*Page.search_fields, index.SearchField("body")]


def latest(articles: models.QuerySet) -> models.QuerySet:
    """Articles with what a list of them shows, so that the list needs no statement for each."""
    return articles.select_related("author", "picture").prefetch_related("picture__renditions").order_by("-date", "pk")
