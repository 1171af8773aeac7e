#!/bin/sh
# Entry point of a local stand-in for the official `postgres` image (own work, POSIX sh).
# Honours: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_HOST_AUTH_METHOD,
# POSTGRES_INITDB_ARGS, PGDATA, the *_FILE forms, /docker-entrypoint-initdb.d/*.{sql,sql.gz,sh},
# and passes `-c key=value` on to postgres.
set -eu

die() { echo "entrypoint: $*" >&2; exit 1; }

# NAME or NAME_FILE (docker secret); default in $2
load_var() {
    name=$1; def=$2
    eval "val=\${$name:-}"; eval "file=\${${name}_FILE:-}"
    [ -z "$val" ] || [ -z "$file" ] || die "both $name and ${name}_FILE are set"
    [ -z "$file" ] || val=$(cat "$file")
    [ -n "$val" ] || val=$def
    eval "$name=\$val"; export "$name"; unset "${name}_FILE" || true
}

[ "${1#-}" = "${1:-}" ] && [ $# -gt 0 ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
for a in "$@"; do
    case $a in -'?'|--help|--describe-config|-V|--version) exec "$@";; esac
done

: "${PGDATA:=/var/lib/postgresql/data}"; export PGDATA
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"; chmod 3777 /var/run/postgresql
    [ "$(stat -c %U "$PGDATA")" = postgres ] || chown -R postgres:postgres "$PGDATA"
    chown postgres:postgres /var/run/postgresql
    exec setpriv --reuid postgres --regid postgres --init-groups -- "$0" "$@"
fi

load_var POSTGRES_PASSWORD ""
load_var POSTGRES_USER postgres
load_var POSTGRES_DB "$POSTGRES_USER"
load_var POSTGRES_INITDB_ARGS ""
load_var POSTGRES_HOST_AUTH_METHOD ""

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    [ -n "$POSTGRES_PASSWORD" ] || [ "$POSTGRES_HOST_AUTH_METHOD" = trust ] ||
        die "Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD (or POSTGRES_HOST_AUTH_METHOD=trust)"
    pw=$(mktemp); printf '%s\n' "${POSTGRES_PASSWORD:-unused}" > "$pw"
    # shellcheck disable=SC2086  (POSTGRES_INITDB_ARGS is a word list)
    initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile="$pw" $POSTGRES_INITDB_ARGS
    rm -f "$pw"
    method=$POSTGRES_HOST_AUTH_METHOD
    [ -n "$method" ] || method=$(postgres -C password_encryption "$@" -D "$PGDATA" 2>/dev/null || echo scram-sha-256)
    printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"

    # a private server on the unix socket only runs the init scripts
    export PGPASSWORD="$POSTGRES_PASSWORD"
    first=$1; shift
    pg_ctl -D "$PGDATA" -w start -o "$(for a in "$@"; do printf "'%s' " "$(printf %s "$a" | sed "s/'/'\\\\''/g")"; done) -c listen_addresses='' -p 5432"
    set -- "$first" "$@"
    run_sql() { psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$POSTGRES_USER" "$@"; }
    if [ "$POSTGRES_DB" != postgres ]; then
        echo 'CREATE DATABASE :"db";' | run_sql --dbname postgres -v db="$POSTGRES_DB"
    fi
    for f in /docker-entrypoint-initdb.d/*; do
        case $f in
            *.sql)    echo "entrypoint: running $f"; run_sql --dbname "$POSTGRES_DB" -f "$f" ;;
            *.sql.gz) echo "entrypoint: running $f"; gzip -dc "$f" | run_sql --dbname "$POSTGRES_DB" ;;
            *.sh)     echo "entrypoint: running $f"; if [ -x "$f" ]; then "$f"; else . "$f"; fi ;;
            */'*')    : ;;
            *)        echo "entrypoint: ignoring $f" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop > /dev/null
    unset PGPASSWORD
    echo; echo 'PostgreSQL init process complete; ready for start up.'; echo
else
    echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
fi
exec "$@"
