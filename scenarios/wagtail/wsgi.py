"""What gunicorn serves: loaded once with its caches filled, then forked: workers that are all alike."""

# mypy: ignore-errors

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
application = get_wsgi_application()


def warm() -> None:
    """Fill what each process would keep for itself: content types, the roots of sites, renditions."""
    from django.apps import apps
    from django.contrib.contenttypes.models import ContentType
    from django.db import connections
    from wagtail.images import get_image_model
    from wagtail.models import Site

    ContentType.objects.get_for_models(*apps.get_models())
    Site.get_site_root_paths()
    for picture in get_image_model().objects.all():
        picture.get_rendition("width-480")
    connections.close_all()  # a connection must not be shared with forks


warm()
