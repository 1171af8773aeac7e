"""Small projects as they are found in the wild, each a handful of files, for `perfgate init` to find its way in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FASTAPI = {
    "requirements.txt": "fastapi>=0.110\nuvicorn[standard]\nasyncpg\nalembic\n",
    "alembic.ini": "[alembic]\nscript_location = migrations\n",
    "app/__init__.py": "",
    "app/main.py": """\
import os

from fastapi import FastAPI

from app.routers import orders
from app.routers.products import router as products

app = FastAPI()
app.include_router(products, prefix="/api")
app.include_router(orders.router, prefix="/api/v1")
DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql+asyncpg://shop:shop@localhost/shop")


@app.get("/health")
async def health():
    return {"status": "ok"}
""",
    "app/routers/__init__.py": "",
    "app/routers/products.py": """\
from fastapi import APIRouter

router = APIRouter(prefix="/products")


@router.get("")
async def listing(page: int = 1):
    return []


@router.get("/{number}")
async def product(number: int):
    return {}


@router.get("/by-name/{name}")
async def by_name(name: str):
    return {}
""",
    "app/routers/orders.py": """\
from fastapi import APIRouter

router = APIRouter(prefix="/orders", tags=["orders"])


@router.post("/", status_code=201)
async def order(body: dict):
    return body
""",
}

FLASK = {
    "pyproject.toml": '[project]\nname = "notes"\nversion = "1"\ndependencies = ["flask", "psycopg[binary]>=3"]\n',
    "notes/__init__.py": """\
import os

import psycopg
from flask import Flask, jsonify


def create_app():
    app = Flask(__name__)
    from notes.pages import pages

    app.register_blueprint(pages, url_prefix="/notes")

    @app.route("/")
    def front():
        return "notes"

    return app
""",
    "notes/pages.py": """\
import os

import psycopg
from flask import Blueprint, jsonify

pages = Blueprint("pages", __name__, url_prefix="/pages")


@pages.route("/<int:number>")
def note(number):
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT text FROM note WHERE id = %s", [number]).fetchone()
    return jsonify(row) if row else ("", 404)


@pages.route("/secret")
def secret():
    return "", 401


@pages.route("/", methods=["POST"])
def add():
    return "", 201
""",
    "db/schema.sql": "CREATE TABLE note (id int PRIMARY KEY, text text NOT NULL);\n",
    "db/seed.sql": "INSERT INTO note SELECT i, 'note ' || i FROM generate_series(1, 100) i;\n",
}

DJANGO = {
    "requirements.txt": "django>=5\ngunicorn\npsycopg[binary]\ndj-database-url\n",
    "manage.py": """\
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
""",
    "site_/__init__.py": "",
    "site_/settings.py": """\
import dj_database_url

SECRET_KEY = "x"
ROOT_URLCONF = "site_.urls"
INSTALLED_APPS = ["blog"]
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": dj_database_url.config()}
""",
    "site_/urls.py": """\
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("blog/", include("blog.urls")), path("", include("wagtail.urls"))]
""",
    "site_/wsgi.py": """\
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
application = get_wsgi_application()
""",
    "blog/__init__.py": "",
    "blog/urls.py": """\
from django.urls import path, re_path

from blog import views

urlpatterns = [
    path("", views.index),
    path("<int:pk>/", views.post),
    path("tagged/<slug:tag>/", views.tagged),
    re_path(r"^archive/(?P<year>[0-9]{4})/$", views.archive),
]
""",
    "blog/views.py": "",
    "blog/management/commands/seed.py": "",
}

NODE = {
    "package.json": '{"name": "hello", "scripts": {"start": "node server.js", "test": "node --test"}}\n',
    "package-lock.json": "{}\n",
    "server.js": """\
const http = require("node:http");

http.createServer((request, response) => {
  if (request.url === "/hello") {
    response.end("hello");
  } else if (request.url === "/healthz") {
    response.end("ok");
  } else {
    response.statusCode = 404;
    response.end();
  }
}).listen(process.env.PORT || 3000, "127.0.0.1");
""",
}

EXPRESS = {
    "package.json": """\
{"scripts": {"start": "npm run build && node dist/main.js"}, "dependencies": {"express": "5", "pg": "8"}}
""",
    "src/main.ts": """\
const url = process.env.DATABASE_URL;
router.get('/users/:id', show);
router.post('/users', create);
app.get("/users", list);
""",
}

DOCKERFILE = {
    "Dockerfile": """\
FROM python:3.12-slim AS base
ENV GREETING=hello \\
    PYTHONUNBUFFERED=1
WORKDIR /srv

FROM base
COPY . .
EXPOSE 8080
HEALTHCHECK CMD curl -f http://localhost:8080/up || exit 1
CMD ["python", "/srv/server.py", "--port", "8080"]
""",
    "server.py": """\
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
""",
}

COMPOSE = {
    "docker-compose.yml": """\
x-common: &common
  restart: always

services:
  web:
    <<: *common
    build: .
    command: sh -c "alembic upgrade head && exec uvicorn shop:app --host 0.0.0.0 --port 8000 --reload"
    ports: ["8000:8000"]
    depends_on: [db, cache]
    environment:
      - DATABASE_URL=postgresql+psycopg://app:app@db:5432/app
      - REDIS_URL=redis://cache:6379
      - MODE=${MODE:-fast}
      - STRIPE_KEY=${STRIPE_KEY}
  db:
    image: postgres:16-alpine
    environment: {POSTGRES_USER: app, POSTGRES_PASSWORD: app, POSTGRES_DB: app}
    volumes:
      - ./db/init.sql:/docker-entrypoint-initdb.d/init.sql:ro
  cache:
    image: redis:7
""",
    "Dockerfile": 'FROM python:3.12\nWORKDIR /app\nENTRYPOINT ["./entrypoint.sh"]\nCMD ["uvicorn", "shop:app"]\n',
    "entrypoint.sh": '#!/bin/sh\n./wait-for-it db:5432\nexec "$@"\n',
    "db/init.sql": "CREATE TABLE thing (id int);\n",
    "shop.py": "",
}

PROCFILE = {
    "Procfile": "web: gunicorn shop.wsgi -b 0.0.0.0:$PORT --workers ${WORKERS:-2}\nrelease: python manage.py migrate\n",
    "requirements.txt": "psycopg2\n",
}

FRONT_END = {
    "package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7"}}',
    "dist/app.js": "console.log(1)\n",
}


def made(folder: Path, files: Mapping[str, str]) -> Path:
    """The project, in a folder of its own."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
