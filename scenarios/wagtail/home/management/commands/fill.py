"""Fills an empty site with the same content each time: ten sections, 200 articles, 20 pictures and an editor."""

# mypy: ignore-errors

import datetime
import io
import random
import shutil

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from PIL import Image as Canvas
from wagtail.images import get_image_model
from wagtail.images.models import AbstractImage
from wagtail.models import Page, Site

from home.models import ArticlePage, Author, HomePage, SectionPage

SECTIONS = ("arts", "books", "cities", "food", "garden", "music", "science", "sport", "travel", "work")
ARTICLES = 20
WORDS = ("amber", "anchor", "apple", "autumn", "bridge", "candle", "copper", "forest", "garden", "harbour", "island")


class Command(BaseCommand):
    """`manage.py fill`, after `manage.py migrate`."""

    help = __doc__

    def handle(self, **_: object) -> None:
        self.chance = random.Random(1)
        get_user_model().objects.create_superuser("editor", "editor@example.com", "a password for measurements")
        self.authors = [Author.objects.create(name=f"Author {number}") for number in range(1, 13)]
        shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)  # or else pictures get names with a random part
        self.pictures = [picture(number) for number in range(20)]
        home = front_page()
        for name in SECTIONS:
            section = home.add_child(instance=SectionPage(title=name.title(), slug=name, show_in_menus=True))
            for number in range(1, ARTICLES + 1):
                section.add_child(instance=self.article(name, number))

    def article(self, section: str, number: int) -> ArticlePage:
        return ArticlePage(
            title=f"{' '.join(self.chance.sample(WORDS, 3)).title()} {number}",
            slug=f"{section}-{number}",
            date=datetime.date(2024, 1, 1) + datetime.timedelta(days=self.chance.randrange(365)),
            author=self.chance.choice(self.authors),
            picture=self.chance.choice(self.pictures),
            body="".join(f"<p>{' '.join(self.chance.choices(WORDS, k=60))}</p>" for _ in range(4)),
        )


def front_page() -> HomePage:
    """The front page in place of the one that Wagtail's migrations made."""
    Page.objects.filter(depth=2).delete()
    home = Page.get_first_root_node().add_child(instance=HomePage(title="The magazine", slug="home"))
    Site.objects.create(hostname="localhost", root_page=home, is_default_site=True)
    return home


def picture(number: int) -> AbstractImage:
    """A picture in one colour, with its renditions: or else whoever first looks at a page has them made."""
    file = io.BytesIO()
    Canvas.new("RGB", (640, 480), (number * 12, 90, 160)).save(file, "PNG")
    content = ContentFile(file.getvalue(), f"picture-{number}.png")
    image = get_image_model().objects.create(title=f"Picture {number}", file=content)
    image.get_renditions("fill-120x80", "width-480")
    return image
