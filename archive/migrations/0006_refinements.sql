-- Profiles of real people, refined against what they did: one refinement a file, one row a person and side of the dialogue.
CREATE TABLE refinement (
    settings VARCHAR NOT NULL,           -- JSON
    begun TIMESTAMP NOT NULL
);

CREATE TABLE refined (
    person VARCHAR NOT NULL,
    "role" VARCHAR NOT NULL,             -- user, assistant, '' where there are no dialogues
    state VARCHAR NOT NULL,              -- done, failed
    profile VARCHAR,                     -- id of the refined profile, NULL if it failed
    record VARCHAR NOT NULL,             -- JSON: all of it (personaevo.refine.result.PersonResult)
    digest VARCHAR NOT NULL,             -- 32 hexadecimal digits, of the record with its numbers at 9 digits
    written TIMESTAMP NOT NULL
);

CREATE VIEW refined_versions AS
SELECT person, "role", CAST(v ->> '$.number' AS INTEGER) AS number, CAST(v ->> '$.parent' AS INTEGER) AS parent, v ->> '$.state' AS state,
       v ->> '$.why' AS why, v ->> '$.reason' AS reason, v -> '$.scores' AS scores, v -> '$.profile' AS profile
FROM (SELECT person, "role", unnest(json_extract(record, '$.history.versions[*]')) AS v FROM refined);
