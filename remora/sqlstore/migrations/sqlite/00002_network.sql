-- +goose Up

-- Whether an activity needs a connection. Nothing in a bundle tells: it is unknown until a person says it.
ALTER TABLE activities ADD COLUMN network TEXT NOT NULL DEFAULT 'unknown';

-- Numbers of screenshots are in old links, as those of activities are: new ones begin above.
INSERT INTO sqlite_sequence (name, seq) SELECT 'previews', 100000 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'previews');

-- To know whether anybody wants the bytes of a screenshot.
CREATE INDEX previews_sha256 ON previews (sha256);
