-- Roll-ups of the trunk by hour and day, alerts, and reports.

-- Hours whose roll-ups lag behind. Writers only add to it, so that nobody waits for anybody; a refresh takes what it sees.
CREATE TABLE stale (
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    hour timestamptz NOT NULL
);
CREATE INDEX stale_project ON stale (project);

CREATE TABLE hourly (
    project integer NOT NULL,
    series integer NOT NULL,
    bucket timestamptz NOT NULL,
    count integer NOT NULL,
    level double precision NOT NULL,
    mean double precision NOT NULL,
    least double precision NOT NULL,
    most double precision NOT NULL,
    deviation double precision NOT NULL,
    PRIMARY KEY (project, series, bucket) INCLUDE (level, count),
    FOREIGN KEY (project, series) REFERENCES series ON DELETE CASCADE
);
CREATE INDEX hourly_bucket ON hourly (project, bucket);

CREATE TABLE daily (
    LIKE hourly,
    PRIMARY KEY (project, series, bucket) INCLUDE (level, count),
    FOREIGN KEY (project, series) REFERENCES series ON DELETE CASCADE
);
CREATE INDEX daily_bucket ON daily (project, bucket);

-- Before `closed`, raw samples have gone: roll-ups are all that is left, and are not made anew from what comes late.
CREATE TABLE horizon (
    project integer PRIMARY KEY REFERENCES project ON DELETE CASCADE,
    closed timestamptz NOT NULL
);

-- name is the same for the same cause, so that it is told once.
CREATE TABLE alert (
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    name text NOT NULL,
    kind text NOT NULL,
    raised timestamptz NOT NULL,
    text text NOT NULL,
    details json NOT NULL,
    PRIMARY KEY (project, name)
);

CREATE TABLE report (
    project integer NOT NULL REFERENCES project ON DELETE CASCADE,
    kind text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    format text NOT NULL,
    made timestamptz NOT NULL,
    content text NOT NULL,
    PRIMARY KEY (project, kind, since, until, format)
);

SELECT guard(name::regclass)
  FROM unnest(ARRAY['stale', 'hourly', 'daily', 'horizon', 'alert', 'report']) AS name;
