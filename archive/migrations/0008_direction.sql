-- Which turns of a directed user broke their plan, and in which points (NULL: none did, or nobody planned them).
ALTER TABLE episodes ADD COLUMN broke STRUCT(turn INTEGER, points VARCHAR[])[];

-- Proposals for a candidate as they did on the stand-in of the run's model (the embedded engine); the one that was played became it.
CREATE TABLE screenings (
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    program VARCHAR NOT NULL,
    operator VARCHAR NOT NULL,
    standing DOUBLE NOT NULL,
    played BOOLEAN NOT NULL
);

-- How well a model plays what it is asked: one row for a model, the way its users are worded and the digest of what it was told.
-- `dials` has, for each behavior, the line of shown against asked (on the dial's scale: logarithms for some) with its standard error, the
-- correlation, what was asked (mean, deviation, range) and the deviation about the line; `report` all that was measured.
CREATE TABLE calibrations (
    model VARCHAR NOT NULL,
    wording VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    made TIMESTAMP NOT NULL,
    dials MAP(VARCHAR, STRUCT(
        slope DOUBLE, "offset" DOUBLE, se DOUBLE, n INTEGER, r DOUBLE, center DOUBLE, spread DOUBLE, noise DOUBLE, low DOUBLE, high DOUBLE
    )) NOT NULL,
    report JSON NOT NULL
);
