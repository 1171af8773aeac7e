-- Projects, their runs, and what each run measured and found.
--
-- Every table but `access`, `occupied` and `version` is guarded by row-level security, which binds its owner, too
-- (FORCE). A transaction says which project it is about in the setting perfgate.project. The owner of the store may name
-- any project there; another role only one that it was admitted to, and who it is (session_user) no statement can change.

CREATE TABLE project (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE access (
    role name NOT NULL,
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    PRIMARY KEY (role, project)
);

-- In a SECURITY DEFINER function current_user is the owner of the store, and session_user whoever logged in.
CREATE FUNCTION may_enter(wanted integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = perfgate, pg_temp
AS $$
    SELECT pg_has_role(session_user, current_user, 'MEMBER')
           OR EXISTS (SELECT FROM access WHERE role = session_user AND project = wanted)
$$;

CREATE FUNCTION current_project() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = perfgate, pg_temp
AS $$
    SELECT wanted
      FROM (SELECT nullif(current_setting('perfgate.project', true), '')::integer) AS asked (wanted)
     WHERE may_enter(wanted)
$$;

-- started stands in samples and findings again: it is what they are partitioned by. `trunk` marks the runs that make
-- the project's own line, and no branch's or somebody's unfinished work. digest is the SHA-256 of what was measured.
CREATE TABLE run (
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    digest bytea NOT NULL,
    started timestamptz NOT NULL,
    seconds double precision NOT NULL,
    commit text NOT NULL,
    branch text NOT NULL,
    dirty boolean NOT NULL,
    trunk boolean NOT NULL,
    accepted boolean NOT NULL,
    base text NOT NULL,
    machine text NOT NULL,
    profile text NOT NULL,
    scenarios text[] NOT NULL,
    status text NOT NULL,
    exit_code smallint,
    details json,
    PRIMARY KEY (project, id),
    UNIQUE (project, digest)
);
CREATE INDEX run_started ON run (project, started);
CREATE INDEX run_commit ON run (project, commit);

CREATE TABLE label (
    project integer NOT NULL,
    run bigint NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (project, run, name),
    FOREIGN KEY (project, run) REFERENCES run ON DELETE CASCADE
);

CREATE TABLE release (
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    name text NOT NULL,
    commit text NOT NULL,
    made timestamptz NOT NULL,
    PRIMARY KEY (project, name)
);
CREATE INDEX release_commit ON release (project, commit);

CREATE TABLE statement (
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    fingerprint text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (project, fingerprint)
);

-- A metric in a scope has a small number, so that samples are narrow. digest is of metric, unit and scope: an index
-- holds no row longer than 2.7 KB, and names may be.
CREATE TABLE series (
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    id integer GENERATED ALWAYS AS IDENTITY,
    digest bytea NOT NULL,
    metric text NOT NULL,
    unit text NOT NULL,
    better text NOT NULL,
    noise text NOT NULL,
    meaning text NOT NULL,
    scenario text NOT NULL,
    endpoint text NOT NULL,
    statement text NOT NULL,
    "table" text NOT NULL,
    artifact text NOT NULL,
    process text NOT NULL,
    benchmark text NOT NULL,
    PRIMARY KEY (project, id),
    UNIQUE (project, digest)
);

-- level is the median of the rounds; rounds holds all their values where there are several.
CREATE TABLE sample (
    started timestamptz NOT NULL,
    run bigint NOT NULL,
    project integer NOT NULL,
    series integer NOT NULL,
    base boolean NOT NULL,
    trunk boolean NOT NULL,
    count smallint NOT NULL,
    level double precision NOT NULL,
    mean double precision NOT NULL,
    least double precision NOT NULL,
    most double precision NOT NULL,
    rounds double precision[],
    PRIMARY KEY (run, series, base, started),
    FOREIGN KEY (project, run) REFERENCES run ON DELETE CASCADE,
    FOREIGN KEY (project, series) REFERENCES series ON DELETE CASCADE
) PARTITION BY RANGE (started);
CREATE INDEX sample_trunk ON sample (project, series, started) INCLUDE (level, run) WHERE trunk AND NOT base;

CREATE TABLE finding (
    started timestamptz NOT NULL,
    run bigint NOT NULL,
    project integer NOT NULL,
    number integer NOT NULL,
    status text NOT NULL,
    metric text NOT NULL,
    details json NOT NULL,
    PRIMARY KEY (run, number, started),
    FOREIGN KEY (project, run) REFERENCES run ON DELETE CASCADE
) PARTITION BY RANGE (started);

-- A month's partitions go when nobody has anything in them; who has is written here, where one project's prune sees it.
CREATE TABLE occupied (
    month date NOT NULL,
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    PRIMARY KEY (month, project)
);

CREATE FUNCTION month_of(moment timestamptz) RETURNS date
LANGUAGE sql STABLE
AS $$ SELECT date_trunc('month', moment AT TIME ZONE 'UTC')::date $$;

CREATE FUNCTION guard(guarded regclass) RETURNS void
LANGUAGE plpgsql SET search_path = perfgate, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
    EXECUTE format('CREATE POLICY own ON %s USING (project = (SELECT perfgate.current_project()))', guarded);
END
$$;

-- Whether the month's partitions are there and keep being there until the end of this transaction.
CREATE FUNCTION hold_month(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = perfgate, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('perfgate.months'));
    RETURN EXISTS (SELECT FROM occupied WHERE month = month_of(moment) AND project = current_project());
END
$$;

CREATE FUNCTION make_month(moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = perfgate, pg_temp
AS $$
DECLARE
    month date := month_of(moment);
    parent text;
    part text;
BEGIN
    IF moment < '2000-01-01 UTC' OR moment > now() + interval '2 days' THEN
        RAISE 'a run of % is from no time that a run can be from', moment USING ERRCODE = 'datetime_field_overflow';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('perfgate.months'));
    FOREACH parent IN ARRAY ARRAY['sample', 'finding'] LOOP
        part := parent || to_char(month, '_YYYY_MM');
        CONTINUE WHEN to_regclass('perfgate.' || part) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE perfgate.%I PARTITION OF perfgate.%I FOR VALUES FROM (%L) TO (%L)',
            part, parent, month || ' UTC', (month + interval '1 month')::date || ' UTC'
        );
        PERFORM guard(('perfgate.' || part)::regclass);  -- who names a partition is not asked for its parent's policies
    END LOOP;
    INSERT INTO occupied VALUES (month, current_project()) ON CONFLICT DO NOTHING;
END
$$;

-- Give up the project's share of a month, all of which must be gone or may go. True when that was the last share and
-- the partitions went with it.
CREATE FUNCTION leave_month(left_month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = perfgate, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('perfgate.months'));
    DELETE FROM occupied WHERE month = left_month AND project = current_project();
    IF EXISTS (SELECT FROM occupied WHERE month = left_month) THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS perfgate.%I, perfgate.%I',
                   'sample' || to_char(left_month, '_YYYY_MM'), 'finding' || to_char(left_month, '_YYYY_MM'));
    RETURN true;
END
$$;

CREATE FUNCTION months() RETURNS SETOF date
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = perfgate, pg_temp
AS $$ SELECT month FROM occupied WHERE project = current_project() ORDER BY month $$;

ALTER TABLE project ENABLE ROW LEVEL SECURITY;
ALTER TABLE project FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON project USING (may_enter(id));

SELECT guard(name::regclass)
  FROM unnest(ARRAY['run', 'label', 'release', 'statement', 'series', 'sample', 'finding']) AS name;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA perfgate FROM PUBLIC;
