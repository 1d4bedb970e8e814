-- Which turns of a directed user broke their plan, and in which points (NULL: none did, or nobody planned them).
ALTER TABLE episodes ADD COLUMN broke STRUCT(turn INTEGER, points VARCHAR[])[];

-- How well a model plays what it is asked: one row for a model, the way its users are worded and the digest of what it was told.
-- `dials` has, for each behavior, the line of shown against asked; `report` all that was measured.
CREATE TABLE calibrations (
    model VARCHAR NOT NULL,
    wording VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    made TIMESTAMP NOT NULL,
    dials MAP(VARCHAR, STRUCT(slope DOUBLE, "offset" DOUBLE, se DOUBLE, n INTEGER)) NOT NULL,
    report JSON NOT NULL
);
