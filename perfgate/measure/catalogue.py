"""The tables and indexes of a database, with what was counted of them since it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfgate.examination import Index, Table
from perfgate.measure.statements import OWN

if TYPE_CHECKING:
    import psycopg

_NAME = "CASE {schema} WHEN 'public' THEN '' ELSE quote_ident({schema}) || '.' END || quote_ident({name})"
_TABLES = f"""
SELECT {OWN} {_NAME.format(schema="schemaname", name="stat.relname")},
       greatest(reltuples, 0)::float8, pg_total_relation_size(relid), n_dead_tup, coalesce(seq_scan, 0),
       coalesce(seq_tup_read, 0), n_tup_ins + n_tup_upd + n_tup_del,
       ARRAY(SELECT quote_ident(attname) FROM pg_attribute
              WHERE attrelid = relid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
  FROM pg_stat_user_tables AS stat JOIN pg_class AS class ON class.oid = relid
 WHERE schemaname !~ '^pg_temp_'
 ORDER BY 1
"""
# pg_get_indexdef(index, n, true) is the n-th column as SQL, without its direction.
_INDEXES = f"""
SELECT {OWN} {_NAME.format(schema="schemaname", name="stat.indexrelname")},
       {_NAME.format(schema="schemaname", name="stat.relname")}, amname,
       ARRAY(SELECT pg_get_indexdef(indexrelid, n, true)
                    || CASE WHEN indoption[n - 1] & 1 = 1 THEN ' DESC' ELSE '' END
               FROM generate_series(1, indnkeyatts) AS n),
       ARRAY(SELECT pg_get_indexdef(indexrelid, n, true) FROM generate_series(indnkeyatts + 1, indnatts) AS n),
       coalesce(pg_get_expr(indpred, indrelid, true), ''), pg_get_indexdef(indexrelid),
       indisunique OR indisexclusion OR EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid),
       indisvalid, pg_relation_size(indexrelid), idx_scan
  FROM pg_stat_user_indexes AS stat JOIN pg_index USING (indexrelid)
  JOIN pg_class AS class ON class.oid = indexrelid JOIN pg_am ON pg_am.oid = class.relam
 WHERE schemaname !~ '^pg_temp_'
 ORDER BY 1
"""
_SETTINGS = "SELECT name, current_setting(name) FROM pg_settings"


def tables(connection: psycopg.Connection) -> tuple[Table, ...]:
    """The tables, in the order of their names."""
    return tuple(
        Table(name, rows, size, dead, scans, scanned, written, tuple(columns))
        for name, rows, size, dead, scans, scanned, written, columns in connection.execute(_TABLES)
    )


def indexes(connection: psycopg.Connection) -> tuple[Index, ...]:
    """The indexes, in the order of their names."""
    return tuple(
        Index(name, table, method, tuple(columns), tuple(include), *rest)
        for name, table, method, columns, include, *rest in connection.execute(_INDEXES)
    )


def settings(connection: psycopg.Connection) -> dict[str, str]:
    """All settings in force for a session of this database, as SHOW prints them."""
    return {name: value for name, value in connection.execute(_SETTINGS) if value is not None}
