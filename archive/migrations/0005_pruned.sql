-- What `archive compact --elites` left out: how many rows of a candidate, and the sum of their hashes, so that the digests still add up.
CREATE TABLE pruned (
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    episodes INTEGER NOT NULL,
    personas INTEGER NOT NULL,
    digest VARCHAR NOT NULL              -- 32 hexadecimal digits
);
