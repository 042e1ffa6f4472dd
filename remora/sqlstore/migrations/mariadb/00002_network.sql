-- +goose NO TRANSACTION
-- +goose Up

-- Whether an activity needs a connection. Nothing in a bundle tells: it is unknown until a person says it.
ALTER TABLE activities ADD COLUMN IF NOT EXISTS network VARCHAR(32) NOT NULL DEFAULT 'unknown';

-- Numbers of screenshots are in old links, as those of activities are: new ones begin above.
ALTER TABLE previews AUTO_INCREMENT = 100001;

-- To know whether anybody wants the bytes of a screenshot.
CREATE INDEX IF NOT EXISTS previews_sha256 ON previews (sha256);
